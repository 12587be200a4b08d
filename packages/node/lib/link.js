'use strict';
// The worker's connection to its master. It is made again when it ends, because a successor of the master may hold the same path:
// docs/reference/protocol.md of Drover, "The end of a connection".
//
//     Hello ──► up ──► the end ──► searching ──Welcome──► up
//                                      └── nobody holds the path, or nobody accepts ──► orphaned

const fs = require('node:fs');
const net = require('node:net');
const { root, encode, decoder } = require('./frames');

const [HelloReply, WorkerFrame, ErrorCode, RejectCode] = ['HelloReply', 'WorkerFrame', 'ErrorCode', 'RejectCode'].map((name) => root.lookup(`drover.v1.${name}`));

const MAX_FRAME_BYTES = 1_114_112; // before Welcome tells it
const PAUSES_MS = [10, 50, 100, 200]; // between two tries; the last one from then on
const FIRST_TRIES = 3; // of a first connection that ends without an answer: a successor of a master that has died holds the path already
const MENDING_MS = 1000; // for so long somebody may be mending the path, where nobody holds it
const SHORTEST_GRACE_MS = 1000;
const LONGEST_TIMER_MS = 2 ** 31 - 1; // Node takes a longer one for none
const EXIT_CODE = 70; // of a process that has not left in time: EX_SOFTWARE of sysexits.h
const HAS_ENDED = 'the connection to the master has ended';
const IN_NEED = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']); // says nothing about who holds the path

const now = () => performance.now();

class Link {
  /** How often a master has welcomed this worker. What belongs to a connection has its number. */
  number = 0;
  #path; #hello; #on; #socket; #welcome;
  #isWelcome = false; // on this connection
  #search = null; // since when and how there is no connection, after one that ended
  #tries = 0; // to connect again for the first time
  #isOver = false; // there will be no other
  #isUnrefed = false;
  #exit; // ends the process of a worker that hangs

  /**
   * Connects. `hello` gives the frame to begin with. `on` hears of `welcomed(welcome)` and `frame(bytes)`; of `ended()`, which says whether to
   * connect again; and of `orphaned(leftMs)`: there is no master, and the process has to leave in this time. Who is not welcome at first leaves at once.
   */
  constructor(path, hello, on) {
    this.#path = path;
    this.#hello = hello;
    this.#on = on;
    this.#open();
  }

  get isUp() { return this.#isWelcome && !this.#socket.destroyed; }

  get unsentBytes() { return this.#socket.writableLength; }

  unref() {
    this.#isUnrefed = true;
    this.#socket.unref();
  }

  /** `done` is called when it is written, or with the reason why not. */
  write(frame, done = () => {}) {
    if (!this.isUp) return done(new Error(HAS_ENDED));
    const bytes = encode(WorkerFrame, frame);
    const most = this.#welcome.limits.maxFrameBytes;
    if (bytes.length - 4 > most) return done(new Error(`a frame of ${bytes.length} bytes is over the limit of ${most}`));
    this.#socket.write(bytes, (error) => done(error && new Error(HAS_ENDED)));
  }

  /** For a process that ends in this moment. */
  writeAtOnce(frame) {
    if (!this.isUp) return;
    try { fs.writeSync(this.#socket._handle.fd, encode(WorkerFrame, frame)); } catch { /* the end of the process says as much */ }
  }

  /** Ends the connection, because the worker can't understand the master. To connect again would be of no use. */
  close() {
    this.#isOver = true;
    this.#socket.destroy();
  }

  broken(error) {
    process.stderr.write(`the connection to the master is of no use any more: ${error.message}\n`);
    this.#isOver = true;
    this.#socket.removeAllListeners('data');
    const refusal = { code: ErrorCode.values.ERROR_CODE_BAD_FRAME, message: error.message };
    this.write({ error: refusal }, () => this.#socket.destroy());
  }

  #open() {
    const socket = this.#socket = net.connect(this.#path);
    if (this.#isUnrefed) socket.unref();
    let isOver = false;
    const limit = () => (this.#isWelcome ? this.#welcome.limits.maxFrameBytes : MAX_FRAME_BYTES);
    const take = (bytes) => {
      if (this.#isWelcome) return this.#on.frame(bytes);
      if (!socket.destroyed) this.#greeted(bytes);
    };
    socket.on('connect', () => {
      this.#held();
      // Not `socket.write`: a master may refuse before it has read Hello, and a write that fails destroys the socket with the reason unread.
      try { fs.writeSync(socket._handle.fd, this.#hello()); } catch { /* the reason is there to be read */ }
    });
    socket.on('data', decoder(limit, take, (error) => (this.#isWelcome ? this.broken(error) : this.#unwelcome(error.message))));
    const over = (failure) => {
      if (this.#socket !== socket || isOver) return;
      isOver = true;
      socket.destroy(); // with what waits to be written: nobody will read it
      if (this.#isWelcome) this.#ended();
      else if (this.#search) this.#failed(failure);
      else if (!this.number && failure?.syscall !== 'connect' && this.#tries < FIRST_TRIES) this.#tryAgain();
      else if (!this.number) fail(failure ? `no connection to the master: ${failure.message}` : 'the master refused this worker: no reason given');
    };
    socket.on('error', over);
    socket.on('end', over);
    socket.on('close', () => over());
  }

  #greeted(bytes) {
    let reply = {};
    try {
      reply = HelloReply.decode(bytes);
    } catch { /* said below */ }
    const { welcome, reject } = reply;
    if (welcome?.version !== 1) {
      // It has not seen the end of the old connection yet.
      if (this.#search && reject?.code === RejectCode.values.REJECT_CODE_TOKEN_IN_USE) return this.#socket.destroy();
      return this.#unwelcome(reject?.message || 'no reason given');
    }
    this.#welcome = welcome;
    this.#isWelcome = true;
    this.number += 1;
    clearTimeout(this.#search?.limit);
    clearTimeout(this.#exit);
    this.#search = null;
    this.#on.welcomed(welcome);
  }

  #unwelcome(reason) {
    const sentence = `the master refused this worker: ${reason}`;
    if (!this.#search) fail(sentence);
    process.stderr.write(`${sentence}\n`);
    this.#abandon();
  }

  /** The connection has ended. */
  #ended() {
    this.#isWelcome = false;
    const { drainTimeoutMs, quitTimeoutMs } = this.#welcome.limits;
    const graceMs = Math.max(Number(drainTimeoutMs) + Number(quitTimeoutMs), SHORTEST_GRACE_MS);
    this.#search = { since: now(), graceMs, tries: 0, isHeld: false };
    this.#exitIn(graceMs);
    const isWanted = this.#on.ended();
    if (this.#isOver || !isWanted) return this.#abandon();
    this.#search.limit = after(graceMs, () => this.#abandon());
    this.#open();
  }

  /** Somebody holds the path, and a successor of the master will accept. */
  #held() {
    const search = this.#search;
    if (!search) return;
    search.goneSince = undefined;
    if (search.isHeld) return;
    search.isHeld = true;
    this.#exitIn(search.since + 2 * search.graceMs - now());
  }

  /** It could not connect, or this connection has ended without a word too. */
  #failed(error) {
    const search = this.#search;
    const pause = PAUSES_MS[Math.min(search.tries, PAUSES_MS.length - 1)];
    search.tries += 1;
    if (error?.syscall === 'connect') {
      if (IN_NEED.has(error.code)) this.#held();
      else if (now() + pause - (search.goneSince ??= now()) > Math.min(MENDING_MS, search.graceMs / 2)) return this.#abandon();
    }
    this.#openIn(pause, () => this.#search === search);
  }

  #tryAgain() {
    this.#openIn(PAUSES_MS[this.#tries], () => !this.#isOver);
    this.#tries += 1;
  }

  #openIn(ms, isWanted) {
    const again = setTimeout(() => { if (isWanted()) this.#open(); }, ms);
    if (this.#isUnrefed) again.unref();
  }

  /** The master is dead, or does not want this worker. */
  #abandon() {
    const { since, graceMs, isHeld, limit } = this.#search;
    clearTimeout(limit);
    this.#search = null;
    this.#isOver = true;
    this.#socket.destroy();
    const leftMs = isHeld ? graceMs : since + graceMs - now();
    this.#exitIn(leftMs);
    this.#on.orphaned(leftMs);
  }

  #exitIn(ms) {
    clearTimeout(this.#exit);
    this.#exit = after(ms, () => process.exit(EXIT_CODE));
  }
}

/** A timer that does not keep the process alive. */
function after(ms, call) { return setTimeout(call, Math.min(ms, LONGEST_TIMER_MS)).unref(); }

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

module.exports = { Link, HAS_ENDED };
