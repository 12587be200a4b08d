'use strict';
// The worker that an app is which knows nothing of Drover.

const { constants } = require('node:os');
const { MessageBus, share } = require('./bus');
const { becomeWorker } = require('./cluster');
const { Drain } = require('./drain');
const { adopt } = require('./listen');
const { passOn } = require('./pass');
const { say } = require('./say');
const { Sockets, isInherited } = require('./sockets');

/** How often the master is told how many requests there are and were. */
const STATUS_MS = 1000;

/** What the master says to one process alone: a child that kept it would take itself for the worker. */
const OWN = ['DROVER_SOCKET', 'DROVER_TOKEN', 'DROVER_WATCHDOG_MS', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'DROVER_FDS_FROM'];

/**
 * With `register` on the command line this process is the worker, from the first moment. With it in NODE_OPTIONS every node below the
 * one that the master has started has it, as npm and what npm starts: then the worker is the one that takes a socket of the master's.
 */
class Worker {
  #env; #sockets; #bus; #waitsForReady;
  #drains = [];
  #knows = false; // whether the app has made a MessageBus, and says itself how it is
  #isReady = false; // has the app said so?
  #rests = false; // since a Stop, until a Resume
  #passing; // to processes below
  #told = new Set();

  constructor(env) {
    this.#env = env;
    this.#sockets = new Sockets(env);
    this.#waitsForReady = Boolean(Number(env.DROVER_WAIT_READY || 0));
    const alone = becomeWorker(Number(env.DROVER_SLOT || 0));
    adopt(this.#sockets, { alone, adopted: (server) => this.#adopted(server), other: (...of) => this.#other(...of) });
    share(() => { this.#knows = true; return this.#begun().removeListener('resume', this.#resume); });
    this.#takeReady();
    if (isInherited(env)) this.#passing = passOn(this.#sockets.descriptors, () => !this.#bus);
    else this.#begun();
  }

  get bus() { return this.#begun(); }

  /** This is the worker. */
  #begun() {
    if (this.#bus) return this.#bus;
    for (const name of OWN) delete process.env[name];
    const bus = this.#bus = new MessageBus(this.#env);
    bus.on('stop', () => this.#stop());
    bus.on('resume', this.#resume);
    bus.on('quit', ({ deadlineMs }) => this.#quit(deadlineMs));
    this.#reportWork();
    const watchdogMs = Number(this.#env.DROVER_WATCHDOG_MS);
    if (watchdogMs) setInterval(() => bus.progress(), watchdogMs / 3).unref();
    return bus;
  }

  #adopted(server) {
    this.#begun();
    const drain = new Drain(server);
    this.#drains.push(drain);
    server.once('listening', () => (this.#rests ? drain.stop() : this.#listens()));
  }

  #other(server, { port, path }) {
    if (this.#sockets.isEmpty && !this.#passing?.hasPassed) server.once('listening', () => this.#listens());
    if (path && !this.#sockets.hasPaths) return; // between processes of the app's own
    const what = path ?? (Number(port) || 'any port');
    if (this.#told.has(what)) return;
    this.#told.add(what);
    const remedy = this.#sockets.isEmpty || !Number(port) ? '' : `. Let a socket of drover.toml listen on ${port}, or set DROVER_PORTS="NAME=${port}" in the app's env`;
    say(`the app listens on ${what} by itself: no socket that the master has for it fits (${this.#sockets})${remedy}`);
  }

  #listens() {
    if (this.#isReady || !(this.#knows || this.#waitsForReady)) this.#begun().sendStarted();
  }

  /** As under pm2: `process.send('ready')`, or the same as a type. Nobody takes other messages, unless there is a parent of node's. */
  #takeReady() {
    process.env.NODE_APP_INSTANCE ??= process.env.DROVER_SLOT;
    const parents = process.send;
    process.send = (message, ...rest) => {
      if (message === 'ready' || message?.type === 'ready') this.#ready();
      if (parents) return parents.call(process, message, ...rest);
      const done = rest.find((arg) => typeof arg === 'function');
      if (done) process.nextTick(done, null);
      return true;
    };
  }

  #ready() {
    this.#isReady = true;
    if (this.#bus || (this.#sockets.isEmpty && !this.#passing.hasPassed)) this.#begun().sendStarted();
  }

  /** Whether the app answers itself what the master asks for. */
  #appAnswers(event) { return this.#bus.listenerCount(event) > 1; }

  #stop() {
    this.#rests = true;
    const stopped = Promise.all(this.#drains.map((drain) => drain.stop()));
    if (!this.#appAnswers('stop')) stopped.then(this.#bus.sendStopped);
  }

  #resume = () => {
    this.#rests = false;
    this.#drains.forEach((drain) => drain.resume());
    this.#bus.sendStarted();
  };

  #quit(deadlineMs) {
    if (!this.#appAnswers('quit')) leave(this.#bus, deadlineMs);
  }

  /** How many requests are under way, and how many there were. */
  #reportWork() {
    let last = '0 0';
    setInterval(() => {
      const sum = (name) => this.#drains.reduce((all, drain) => all + drain[name], 0);
      const [inFlight, requests] = [sum('inFlight'), sum('requests')];
      if (last === (last = `${inFlight} ${requests}`)) return;
      this.#bus.status('', inFlight, requests);
    }, STATUS_MS).unref();
  }
}

/** Lets the app clean up as at a signal, if it listens for one, or for pm2's message; for three quarters of the time. And leaves. */
function leave(bus, deadlineMs) {
  const ends = [['SIGTERM', 'SIGTERM'], ['SIGINT', 'SIGINT'], ['message', 'shutdown']];
  const end = ends.find(([name]) => process.listenerCount(name));
  if (!end) return bus.sendShuttedDown().then(() => process.exit(0));
  // The app ends the process, or has nothing left to do, and the process ends.
  process.on('exit', (code) => {
    if (code === 128 + constants.signals[end[1]]) process.exitCode = 0; // as of a signal; there was none
    bus.sendShuttedDownAtOnce();
  });
  bus.unref();
  if (deadlineMs) {
    setTimeout(() => {
      say(`what the app does at ${end[1]} has not ended the process in ${deadlineMs * 0.75} ms`);
      process.exit(0);
    }, deadlineMs * 0.75).unref();
  }
  process.emit(end[0], end[1]);
}

module.exports = { Worker };
