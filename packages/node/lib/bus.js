'use strict';
// A worker's side of drover.v1. The protocol is told in docs/reference/protocol.md of Drover.
//
//     starting ──sendStarted──► started ──'stop'──► stopping ──sendStopped──► stopped ──'quit'──► sendShuttedDown, exit
//                                  ▲───────── sendStarted ◄── 'resume' ──────────┘

const { EventEmitter } = require('node:events');
const { version } = require('../package.json');
const { Drain, BACKLOG } = require('./drain');
const { root, encode } = require('./frames');
const { Link, HAS_ENDED } = require('./link');
const { descriptors } = require('./sockets');

const names = ['Hello', 'MasterFrame', 'Scope', 'ErrorCode'];
const [Hello, MasterFrame, Scope, ErrorCode] = names.map((name) => root.lookup(`drover.v1.${name}`));

const MAX_UNSENT_BYTES = 16 * 1024 * 1024; // of messages that the master has not taken; more are refused
const REQUEST_TIMEOUT_MS = 30_000;
const UNTAKEN = 'the master does not take what was sent before';

/** What the other side could not do. `code` is a name of `ErrorCode` in types.proto, without its prefix: 'DEADLINE'. */
class BusError extends Error {
  constructor(code, message) {
    super(message || code);
    this.code = code;
  }
}

/** In which state what may be said; said in any other, it is too late, or not owed, and nothing is sent. */
const SAID_WHILE = { started: 'starting', stopped: 'stopping', shutDown: 'leaving' };
/** In which states the master may ask for what. */
const ASKED_WHILE = { stop: ['starting', 'started'], resume: ['stopped'], quit: ['starting', 'started', 'stopping', 'stopped'] };
const NEXT = { started: 'started', stopped: 'stopped', shutDown: 'left', stop: 'stopping', resume: 'starting', quit: 'leaving' };
/** What answers it. */
const ANSWERS = { stop: 'stopped', resume: 'started', quit: 'shutDown' };
const SCOPES = { app: 'SCOPE_APP', all: 'SCOPE_ALL', subscribers: 'SCOPE_SUBSCRIBERS' };

function message(topic, payload, to) {
  const scope = SCOPES[to] ?? ('worker' in to ? 'SCOPE_WORKER' : 'SCOPE_SLOT');
  return { topic, payload: Buffer.from(payload), scope: Scope.values[scope], worker: to.worker ?? 0, slot: to.slot ?? 0 };
}

let registered; // where `register` is: gives the connection, of which there is one

/**
 * The worker's connection to its master; without `DROVER_SOCKET` it runs alone, and SIGINT or SIGTERM stop it.
 *
 * Events: 'stop' (take no new work, finish, `sendStopped`), 'resume' (take work again, `sendStarted`; only with a listener
 * for it, or `serve`), 'quit' (release everything, `sendShuttedDown`, exit), 'message' (see README.md).
 */
class MessageBus extends EventEmitter {
  #env; #link; #welcome; #servers = false;
  #welcomed; // for the first time
  #connected = promised(); // settled when there is a connection, or there will be none any more
  #state = 'starting'; // starting, started, stopping, stopped, leaving, left
  #asked = { seq: 0 }; // what the master has asked for last, and on which connection
  #leave = null; // what comes after the drain, once the master wants the worker to leave
  #lastSeq = 0; #pending = new Map(); // requests of this worker, by their seq
  #waitingBytes = 0; // of messages that wait for a connection
  #isStartedSaid = false; // unasked, on this connection or an earlier one
  #news = new Map(); // what the next master has to hear: the newest of each kind
  #topics = new Set(); // that it has subscribed to

  constructor(env = process.env) {
    super();
    if (env === process.env && registered) return registered();
    this.#env = env;
    this.isStandalone = !env.DROVER_SOCKET;
    for (const name of ['sendStarted', 'sendStopped', 'sendShuttedDown']) this[name] = this[name].bind(this);
    this.#welcomed = promised();
    if (this.isStandalone) this.#runAlone();
    else this.#connect(env.DROVER_SOCKET, env.DROVER_TOKEN); // which the app may take out of its environment
  }

  /** Who this worker is: `{ app, slot, generation, workerId }`. None without a master, or before it has answered. */
  get identity() { return this.#welcome?.identity; }

  sendStarted() { return this.#say('started'); }

  async sendStopped() {
    await this.#say('stopped');
    this.#leave?.();
  }

  sendShuttedDown() { return this.#say('shutDown'); }

  /** For a process that ends in this moment, from `process.on('exit')`: what is written later would not leave. */
  sendShuttedDownAtOnce() {
    if (this.#state !== SAID_WHILE.shutDown || !this.#link) return;
    this.#state = NEXT.shutDown;
    if (this.#isAskedHere) this.#link.writeAtOnce({ replyTo: this.#asked.seq, shutDown: {} });
  }

  /** Does not keep the process alive any more. */
  unref() { this.#link?.unref(); }

  /** How this worker is: a line for people, requests under way, requests done since the process began, readings by name. */
  status(text, inFlight = 0, requests = 0, gauges = {}) {
    return this.#tell('status', { text, inFlight, requests, gauges: Object.entries(gauges).map(([name, value]) => ({ name, value })) });
  }

  /** For the watchdog (`DROVER_WATCHDOG_MS`): the work goes on. */
  progress() { return this.#tell('progress', {}); }

  /** So much time from now on is needed for the step that is under way. */
  extend(timeoutMs) { return this.#tell('extend', { timeoutMs }); }

  /** Sends a message: `to` is 'app', 'all', 'subscribers', { worker: ID } or { slot: N }. */
  async send(topic, payload, to = 'app') { await this.#bus({ message: message(topic, payload, to) }); }

  /** Asks 'app', { worker: ID } or { slot: N }; the payload of the reply, or a `BusError`. */
  async request(topic, payload, { to = 'app', timeoutMs = REQUEST_TIMEOUT_MS } = {}) {
    const answer = await this.#bus({ message: { ...message(topic, payload, to), timeoutMs } }, timeoutMs);
    return Buffer.from(answer.reply.payload);
  }

  /** Sends to all workers that have subscribed to the topic: `{ delivered, refused }` says to how many it goes. */
  async publish(topic, payload) {
    const published = { ...message(topic, payload, 'subscribers'), confirm: true };
    return (await this.#bus({ message: published }, REQUEST_TIMEOUT_MS)).accepted;
  }

  async subscribe(topic) {
    await this.#bus({ subscribe: { topic } }, REQUEST_TIMEOUT_MS);
    this.#topics.add(topic);
  }

  async unsubscribe(topic) {
    this.#topics.delete(topic);
    await this.#bus({ unsubscribe: { topic } }, REQUEST_TIMEOUT_MS);
  }

  /** As in drover 1.0: anything, as JSON, for the program that embeds the master. */
  sendMessage(any) { return this.send('message', JSON.stringify(any)); }

  /** What to call `server.listen` with: the socket of this name, or the first; `otherwise` (a port) without a master. */
  listener(name, otherwise = 0) {
    const { LISTEN_FDNAMES = '' } = this.#env;
    const socket = descriptors(this.#env).find((one) => name === undefined || one.name === name);
    if (socket) return { fd: socket.fd, backlog: BACKLOG };
    if (this.isStandalone) return { port: otherwise };
    throw new Error(`the master has handed over no socket ${name ?? ''} (LISTEN_FDNAMES is "${LISTEN_FDNAMES}")`);
  }

  /**
   * Does all that a worker of HTTP has to: serves on the socket, drains on 'stop', goes on at 'resume', exits at 'quit'.
   * For `lastRequestsMs` after a 'stop' an open connection may still bring a request, whose answer says that it is the last:
   * a client that is about to send would lose its request if an idle connection were closed at once.
   */
  serve(server, { socket, port = 0, lastRequestsMs = 1000 } = {}) {
    this.#servers = true;
    const drain = new Drain(server, lastRequestsMs);
    this.on('stop', () => drain.stop().then(this.sendStopped));
    this.on('resume', () => { drain.resume(); this.sendStarted(); });
    this.on('quit', async () => { await this.sendShuttedDown(); process.exit(0); });
    server.listen(this.listener(socket, port), this.sendStarted);
  }

  #runAlone() {
    this.#welcomed.resolve();
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => this.#quit(0));
  }

  #connect(path, token) {
    let hello; // the same each time
    this.#link = new Link(path, () => (hello ??= encode(Hello, this.#hello(token))), {
      welcomed: (welcome) => this.#begin(welcome),
      frame: (bytes) => this.#take(bytes),
      ended: () => this.#lost(),
      orphaned: (leftMs) => { this.#connected.resolve(); this.#quit(leftMs); },
    });
  }

  #hello(token) {
    const capabilities = [];
    if (this.#servers || this.listenerCount('resume')) capabilities.push('resume');
    if (this.listenerCount('message')) capabilities.push('bus');
    const sdk = { name: 'drover-worker', version, language: 'node' };
    return { minVersion: 1, maxVersion: 1, token, pid: process.pid, sdk, capabilities };
  }

  /** There is a connection; if it is not the first one, the master gets to know what it can't know. */
  #begin(welcome) {
    this.#welcome = welcome;
    for (const topic of this.#topics) this.#link.write({ subscribe: { topic } });
    this.#news.forEach((body, kind) => {
      if (kind !== 'status') this.#news.delete(kind);
      this.#link.write({ [kind]: body });
    });
    // A master that has heard it may have died before it wrote it down.
    if (this.#isStartedSaid && this.#state === 'started' && !this.#asked.body) this.#answer('started');
    this.#welcomed.resolve();
    this.#connected.resolve();
  }

  #take(bytes) {
    let frame;
    try {
      frame = MasterFrame.decode(bytes);
    } catch (error) {
      return this.#link.broken(error);
    }
    const on = this.#link.number;
    // What was asked on a connection that has ended is forgotten; whoever asked has been told so.
    const answer = (one, done) => this.#link.number === on && this.#link.write(one, done);
    const { seq, replyTo, body, expectsReply } = frame;
    const refuse = (code, text) => {
      const known = ErrorCode.values[`ERROR_CODE_${code}`] ?? ErrorCode.values.ERROR_CODE_FAILED;
      answer({ replyTo: seq, error: { code: known, message: text } });
    };
    if (body === 'ping') return answer({ replyTo: seq, pong: {} });
    if (body === 'message') return this.#deliver(frame, answer, refuse);
    if (['reply', 'accepted', 'error'].includes(body)) return this.#answered(Number(replyTo), frame);
    if (!body && frame.mustUnderstand) return this.#link.close(); // as the protocol demands
    if (!body) return expectsReply && refuse('UNIMPLEMENTED', 'this worker does not know the body');
    const comesAgain = this.#asked.body === body && !this.#isAskedHere;
    const isInTime = ASKED_WHILE[body].includes(this.#state);
    if (!isInTime && !comesAgain) return refuse('BAD_STATE', `this worker is ${this.#state}`);
    this.#asked = { body, seq, on };
    if (!isInTime) return this.#state === NEXT[ANSWERS[body]] && this.#answer(ANSWERS[body]);
    const deadlineMs = Number(frame[body].deadlineMs);
    if (body === 'quit') return this.#quit(deadlineMs);
    if (body === 'resume' && !this.listenerCount('resume')) return refuse('FAILED', 'this worker has no listener to go on with');
    this.#state = NEXT[body];
    if (!this.emit(body, { deadlineMs }) && body === 'stop') this.sendStopped();
  }

  /** Leaves: 'stop' first, if that was not said, and 'quit' when it is done, or when most of the time is over. */
  #quit(deadlineMs) {
    const before = this.#state;
    if (before === 'leaving' || before === 'left') return;
    this.#state = 'leaving';
    this.#leave = () => { this.#leave = null; this.emit('quit', { deadlineMs }); };
    if (before === 'stopped') return this.#leave();
    if (deadlineMs) setTimeout(() => this.#leave?.(), deadlineMs * 0.75).unref();
    if (before !== 'stopping' && !this.emit('stop', { deadlineMs })) this.#leave();
  }

  /** The connection has ended. Whether there is to be another one. */
  #lost() {
    this.#connected = promised();
    for (const seq of this.#pending.keys()) this.#settle(seq, new BusError('FAILED', HAS_ENDED));
    return this.#state !== NEXT.shutDown;
  }

  #deliver({ seq, expectsReply, message: { topic, payload, scope, worker } }, send, refuse) {
    let isOpen = expectsReply; // exactly one answer, if one is wanted
    const once = (answer) => (...args) => { if (isOpen) { isOpen = false; answer(...args); } };
    const tooLong = (error) => error && refuse('FAILED', error.message);
    const reply = once((answer) => send({ replyTo: seq, reply: { payload: Buffer.from(answer) } }, tooLong));
    const fail = once((error, code = 'FAILED') => refuse(code, String(error?.message ?? error)));
    const about = { topic, payload, scope: Scope.valuesById[scope], from: Number(worker), isRequest: expectsReply };
    if (!this.emit('message', { ...about, reply, fail })) fail('this worker takes no messages', 'UNIMPLEMENTED');
  }

  #answered(seq, { body, error, ...rest }) {
    const code = error && (ErrorCode.valuesById[error.code] ?? 'ERROR_CODE_UNSPECIFIED').replace('ERROR_CODE_', '');
    if (this.#pending.has(seq)) this.#settle(seq, error && new BusError(code, error.message), rest);
    else if (error) process.stderr.write(`the master answers: ${code} ${error.message}\n`);
  }

  #settle(seq, error, answer) {
    const { resolve, reject, timer } = this.#pending.get(seq);
    this.#pending.delete(seq);
    clearTimeout(timer);
    if (error) reject(error);
    else resolve(answer);
  }

  /** Says that a step is done, and resolves when that is written. Who says it too late says nothing. */
  async #say(what) {
    await this.#welcomed.promise;
    if (this.#state !== SAID_WHILE[what]) return;
    this.#state = NEXT[what];
    if (this.isStandalone) return what === 'stopped' && this.#quit(0);
    await this.#answer(what);
  }

  /** Whether the master has asked on this connection for what is under way, or nobody has asked for it. */
  get #isAskedHere() { return !this.#asked.body || this.#asked.on === this.#link.number; }

  /** What was asked on a connection that has ended comes again on the next one, and is answered then. */
  #answer(what) {
    if (!this.#isAskedHere) return undefined;
    const { body, seq } = this.#asked;
    return this.#written({ replyTo: seq, [what]: {} }, () => { this.#isStartedSaid ||= what === 'started' && !body; });
  }

  async #tell(kind, body) {
    await this.#welcomed.promise;
    if (this.isStandalone) return undefined;
    // Of the last status nobody knows whether a master that died has read it.
    if (kind === 'status' || !this.#link.isUp) this.#news.set(kind, body);
    return this.#written({ [kind]: body });
  }

  #written(frame, done = () => {}) {
    return new Promise((resolve) => { this.#link.write(frame, (error) => { done(error); resolve(error); }); });
  }

  /** Sends what only a master with a bus takes; with a timeout it is a question. */
  async #bus(body, timeoutMs) {
    await this.#welcomed.promise;
    const { message: sent } = body;
    const waitedMs = this.isStandalone ? 0 : await this.#whenConnected(sent?.payload.length ?? 0, timeoutMs);
    if (!this.#welcome?.capabilities.includes('bus')) throw new BusError('UNIMPLEMENTED', 'there is no master that carries messages');
    if (this.#link.unsentBytes > MAX_UNSENT_BYTES) throw new BusError('BUSY', UNTAKEN);
    return new Promise((resolve, reject) => {
      const written = (error) => error && reject(new BusError('FAILED', error.message));
      if (timeoutMs === undefined) return this.#link.write(body, (error) => written(error) || resolve());
      const seq = ++this.#lastSeq;
      const leftMs = Math.max(timeoutMs - waitedMs, 1);
      if (sent?.timeoutMs) sent.timeoutMs = leftMs;
      // The master answers in time; this is for one that hangs.
      const late = () => this.#settle(seq, new BusError('DEADLINE', 'no answer from the master'));
      this.#pending.set(seq, { resolve, reject, timer: setTimeout(late, leftMs + 1000) });
      this.#link.write({ seq, expectsReply: true, ...body }, written);
    });
  }

  /** Waits for a connection, if there is none at the moment; resolves with how long that took. */
  async #whenConnected(bytes, timeoutMs = REQUEST_TIMEOUT_MS) {
    if (this.#link.isUp) return 0;
    if (this.#waitingBytes + bytes > MAX_UNSENT_BYTES) throw new BusError('BUSY', UNTAKEN);
    const since = Date.now();
    let timer;
    const late = new Promise((resolve) => { timer = setTimeout(resolve, timeoutMs); });
    this.#waitingBytes += bytes;
    await Promise.race([this.#connected.promise, late]);
    this.#waitingBytes -= bytes;
    clearTimeout(timer);
    if (!this.#link.isUp) throw new BusError('FAILED', HAS_ENDED);
    return Date.now() - since;
  }
}

/** A promise, with what settles it. */
function promised() {
  let resolve;
  const promise = new Promise((settle) => { resolve = settle; });
  return { promise, resolve };
}

/** From now on `new MessageBus()` is what this gives. */
function share(bus) { registered = bus; }

module.exports = { MessageBus, BusError, share };
