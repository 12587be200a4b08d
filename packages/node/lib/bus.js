'use strict';
// A worker's side of drover.v1. The protocol is told in docs/reference/protocol.md of Drover.
//
//     starting ──sendStarted──► started ──'stop'──► stopping ──sendStopped──► stopped ──'quit'──► sendShuttedDown, exit
//                                  ▲───────── sendStarted ◄── 'resume' ──────────┘

const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const { version } = require('../package.json');
const { Drain, BACKLOG } = require('./drain');
const { root, encode, decoder } = require('./frames');
const { descriptors } = require('./sockets');

const names = ['Hello', 'HelloReply', 'WorkerFrame', 'MasterFrame', 'Scope', 'ErrorCode'];
const [Hello, HelloReply, WorkerFrame, MasterFrame, Scope, ErrorCode] = names.map((name) => root.lookup(`drover.v1.${name}`));

const MAX_FRAME_BYTES = 1_114_112; // before Welcome tells it
const MAX_UNSENT_BYTES = 16 * 1024 * 1024; // of messages that the master has not taken; more are refused
const REQUEST_TIMEOUT_MS = 30_000;

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
const SCOPES = { app: 'SCOPE_APP', all: 'SCOPE_ALL', subscribers: 'SCOPE_SUBSCRIBERS' };

function message(topic, payload, to) {
  const scope = SCOPES[to] ?? ('worker' in to ? 'SCOPE_WORKER' : 'SCOPE_SLOT');
  return { topic, payload: Buffer.from(payload), scope: Scope.values[scope], worker: to.worker ?? 0, slot: to.slot ?? 0 };
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

let registered; // where `register` is: gives the connection, of which there is one

/**
 * The worker's connection to its master; without `DROVER_SOCKET` it runs alone, and SIGINT or SIGTERM stop it.
 *
 * Events: 'stop' (take no new work, finish, `sendStopped`), 'resume' (take work again, `sendStarted`; only with a listener
 * for it, or `serve`), 'quit' (release everything, `sendShuttedDown`, exit), 'message' (see README.md).
 */
class MessageBus extends EventEmitter {
  #env; #socket; #welcome; #welcomed; #servers = false;
  #state = 'starting'; // starting, started, stopping, stopped, leaving, left
  #asked = 0; // the seq of what the master has asked for last
  #leave = null; // what comes after the drain, once the master wants the worker to leave
  #lastSeq = 0; #pending = new Map(); // requests of this worker, by their seq

  constructor(env = process.env) {
    super();
    if (env === process.env && registered) return registered();
    this.#env = env;
    this.isStandalone = !env.DROVER_SOCKET;
    for (const name of ['sendStarted', 'sendStopped', 'sendShuttedDown']) this[name] = this[name].bind(this);
    this.#welcomed = this.isStandalone ? this.#runAlone() : this.#connect();
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
    if (this.#state !== SAID_WHILE.shutDown || !this.#socket || this.#socket.destroyed) return;
    this.#state = NEXT.shutDown;
    const frame = encode(WorkerFrame, { replyTo: this.#asked, shutDown: {} });
    try { fs.writeSync(this.#socket._handle.fd, frame); } catch { /* the end of the process says as much */ }
  }

  /** Does not keep the process alive any more. */
  unref() { this.#socket?.unref(); }

  /** How this worker is: a line for people, requests under way, requests done since the process began, readings by name. */
  status(text, inFlight = 0, requests = 0, gauges = {}) {
    return this.#tell({ status: { text, inFlight, requests, gauges: Object.entries(gauges).map(([name, value]) => ({ name, value })) } });
  }

  /** For the watchdog (`DROVER_WATCHDOG_MS`): the work goes on. */
  progress() { return this.#tell({ progress: {} }); }

  /** So much time from now on is needed for the step that is under way. */
  extend(timeoutMs) { return this.#tell({ extend: { timeoutMs } }); }

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

  async subscribe(topic) { await this.#bus({ subscribe: { topic } }, REQUEST_TIMEOUT_MS); }

  async unsubscribe(topic) { await this.#bus({ unsubscribe: { topic } }, REQUEST_TIMEOUT_MS); }

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
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => this.#quit(0));
    return Promise.resolve({});
  }

  /** Resolves with Welcome. Without one the process ends. */
  #connect() {
    const socket = this.#socket = net.connect(this.#env.DROVER_SOCKET);
    return new Promise((resolve) => {
      const limit = () => this.#welcome?.limits.maxFrameBytes ?? MAX_FRAME_BYTES;
      const take = (bytes) => (this.#welcome ? this.#take(bytes) : resolve(this.#welcome = welcome(bytes)));
      // Not `socket.write`: a master may refuse before it has read Hello, and a write that fails destroys the socket with the reason unread.
      const hello = () => fs.writeSync(socket._handle.fd, encode(Hello, this.#hello()));
      socket.on('connect', () => { try { hello(); } catch { /* the reason is there to be read */ } });
      socket.on('data', decoder(limit, take, (error) => this.#broken(error)));
      socket.on('error', (error) => this.#welcome || fail(`no connection to the master: ${error.message}`));
      socket.on('close', () => (this.#welcome ? this.#lost() : fail('the master refused this worker: no reason given')));
    });
  }

  #hello() {
    const capabilities = [];
    if (this.#servers || this.listenerCount('resume')) capabilities.push('resume');
    if (this.listenerCount('message')) capabilities.push('bus');
    const sdk = { name: 'drover-worker', version, language: 'node' };
    return { minVersion: 1, maxVersion: 1, token: this.#env.DROVER_TOKEN, pid: process.pid, sdk, capabilities };
  }

  #take(bytes) {
    let frame;
    try {
      frame = MasterFrame.decode(bytes);
    } catch (error) {
      return this.#broken(error);
    }
    const { seq, replyTo, body, expectsReply } = frame;
    const refuse = (code, text) => {
      const known = ErrorCode.values[`ERROR_CODE_${code}`] ?? ErrorCode.values.ERROR_CODE_FAILED;
      this.#write({ replyTo: seq, error: { code: known, message: text } });
    };
    if (body === 'ping') return this.#write({ replyTo: seq, pong: {} });
    if (body === 'message') return this.#deliver(frame, refuse);
    if (['reply', 'accepted', 'error'].includes(body)) return this.#answered(Number(replyTo), frame);
    if (!body && frame.mustUnderstand) return this.#socket.destroy(); // as the protocol demands
    if (!body) return expectsReply && refuse('UNIMPLEMENTED', 'this worker does not know the body');
    if (!ASKED_WHILE[body].includes(this.#state)) return refuse('BAD_STATE', `this worker is ${this.#state}`);
    this.#asked = seq;
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

  /** The master is gone. Nobody will say 'stop' or 'quit' any more. */
  #lost() {
    for (const seq of this.#pending.keys()) this.#settle(seq, new BusError('FAILED', 'the connection to the master has ended'));
    const { drainTimeoutMs, quitTimeoutMs } = this.#welcome.limits;
    const leftMs = Number(drainTimeoutMs) + Number(quitTimeoutMs);
    setTimeout(() => process.exit(70), leftMs).unref();
    this.#quit(leftMs);
  }

  #broken(error) {
    process.stderr.write(`the connection to the master is of no use any more: ${error.message}\n`);
    this.#socket.removeAllListeners('data');
    const refusal = { code: ErrorCode.values.ERROR_CODE_BAD_FRAME, message: error.message };
    this.#write({ error: refusal }, () => this.#socket.destroy());
  }

  #deliver({ seq, expectsReply, message: { topic, payload, scope, worker } }, refuse) {
    let isOpen = expectsReply; // exactly one answer, if one is wanted
    const once = (answer) => (...args) => { if (isOpen) { isOpen = false; answer(...args); } };
    const tooLong = (error) => error && refuse('FAILED', error.message);
    const reply = once((answer) => this.#write({ replyTo: seq, reply: { payload: Buffer.from(answer) } }, tooLong));
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
    await this.#welcomed;
    if (this.#state !== SAID_WHILE[what]) return;
    this.#state = NEXT[what];
    await this.#tell({ replyTo: this.#asked, [what]: {} });
    if (this.isStandalone && what === 'stopped') this.#quit(0);
  }

  async #tell(frame) {
    await this.#welcomed;
    return new Promise((resolve) => { this.#write(frame, resolve); });
  }

  /** Sends what only a master with a bus takes; with a timeout it is a question. */
  async #bus(body, timeoutMs) {
    const { capabilities = [] } = await this.#welcomed;
    if (!capabilities.includes('bus')) throw new BusError('UNIMPLEMENTED', 'there is no master that carries messages');
    if (this.#socket.writableLength > MAX_UNSENT_BYTES) throw new BusError('BUSY', 'the master does not take what was sent before');
    return new Promise((resolve, reject) => {
      const written = (error) => error && reject(new BusError('FAILED', error.message));
      if (timeoutMs === undefined) return this.#write(body, (error) => written(error) || resolve());
      const seq = ++this.#lastSeq;
      // The master answers in time; this is for one that hangs.
      const late = () => this.#settle(seq, new BusError('DEADLINE', 'no answer from the master'));
      this.#pending.set(seq, { resolve, reject, timer: setTimeout(late, timeoutMs + 1000) });
      this.#write({ seq, expectsReply: true, ...body }, written);
    });
  }

  #write(frame, done = () => {}) {
    if (!this.#socket || this.#socket.destroyed) return done(new Error('there is no master'));
    const bytes = encode(WorkerFrame, frame);
    const most = this.#welcome.limits.maxFrameBytes;
    if (bytes.length - 4 > most) return done(new Error(`a frame of ${bytes.length} bytes is over the limit of ${most}`));
    this.#socket.write(bytes, done);
  }
}

function welcome(bytes) {
  let reply = {};
  try {
    reply = HelloReply.decode(bytes);
  } catch { /* said below */ }
  if (reply.welcome?.version !== 1) fail(`the master refused this worker: ${reply.reject?.message ?? 'no reason given'}`);
  return reply.welcome;
}

/** From now on `new MessageBus()` is what this gives. */
function share(bus) { registered = bus; }

module.exports = { MessageBus, BusError, share };
