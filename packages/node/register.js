'use strict';
// `node --require drover-worker/register app.js`: an app that knows nothing of Drover is a worker. Without a master it does nothing.
// README.md tells what the app may count on.

const { isMainThread } = require('node:worker_threads');

/** How often the master is told how many requests there are and were. */
const STATUS_MS = 1000;

/** What the master says to this process alone: a child that kept it would take itself for the worker. */
const OWN = ['DROVER_SOCKET', 'DROVER_TOKEN', 'DROVER_WATCHDOG_MS', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

const say = (sentence) => process.stderr.write(`drover-worker/register: ${sentence}\n`);

/** Whether there is a master, and this is the process that it has started. */
function isWorker({ DROVER_SOCKET, LISTEN_FDS, LISTEN_PID }) {
  if (!isMainThread || !DROVER_SOCKET) return false;
  if (!Number(LISTEN_FDS) || Number(LISTEN_PID) === process.pid) return true;
  say(`the master has started process ${LISTEN_PID}, and this is ${process.pid}: its sockets do not come through npm or a shell. Let drover.toml run node itself, or use exec`);
  return false;
}

function register(env) {
  const { MessageBus } = require('./lib/bus');
  const { Drain } = require('./lib/drain');
  const { Sockets } = require('./lib/sockets');
  const sockets = new Sockets(env);
  const bus = new MessageBus(env);
  const waitsForReady = Boolean(Number(env.DROVER_WAIT_READY || 0));
  const drains = [];
  const told = new Set();
  let rests = false; // since a Stop, until a Resume
  const isStarted = () => { if (!waitsForReady) bus.sendStarted(); };

  require('./lib/listen').adopt(sockets, {
    alone: require('./lib/cluster').becomeWorker(Number(env.DROVER_SLOT || 0)),
    adopted(server) {
      const drain = new Drain(server);
      drains.push(drain);
      server.once('listening', () => (rests ? drain.stop() : isStarted()));
    },
    other(server, { port, path }) {
      if (sockets.isEmpty) server.once('listening', isStarted);
      const what = path ?? (Number(port) || 'any port');
      if (told.has(what)) return;
      told.add(what);
      say(`the app listens on ${what} by itself: no socket that the master has for it fits (${sockets})${remedy(sockets, port)}`);
    },
  });

  bus.on('stop', () => {
    rests = true;
    Promise.all(drains.map((drain) => drain.stop())).then(bus.sendStopped);
  });
  bus.on('resume', () => {
    rests = false;
    drains.forEach((drain) => drain.resume());
    bus.sendStarted();
  });
  bus.on('quit', ({ deadlineMs }) => leave(bus, deadlineMs));

  reportReady(bus);
  reportWork(bus, drains);
  if (Number(env.DROVER_WATCHDOG_MS)) setInterval(() => bus.progress(), Number(env.DROVER_WATCHDOG_MS) / 3).unref();
  return bus;
}

const remedy = (sockets, port) =>
  (sockets.isEmpty || !Number(port) ? '' : `. Let a socket of drover.toml listen on ${port}, or set DROVER_PORTS="NAME=${port}" in the app's env`);

/** As under pm2: `process.send('ready')`, or the same as a type. There is nobody to take other messages. */
function reportReady(bus) {
  process.env.NODE_APP_INSTANCE ??= process.env.DROVER_SLOT;
  process.send ??= (message, ...rest) => {
    if (message === 'ready' || message?.type === 'ready') bus.sendStarted();
    const done = rest.find((arg) => typeof arg === 'function');
    if (done) process.nextTick(done, null);
    return true;
  };
}

/** How many requests are under way, and how many there were. */
function reportWork(bus, drains) {
  let last = '0 0';
  setInterval(() => {
    const sum = (name) => drains.reduce((all, drain) => all + drain[name], 0);
    const [inFlight, requests] = [sum('inFlight'), sum('requests')];
    if (last === (last = `${inFlight} ${requests}`)) return;
    bus.status('', inFlight, requests);
  }, STATUS_MS).unref();
}

/** Lets the app clean up as at a signal, if it listens for one, for three quarters of the time; and leaves. */
function leave(bus, deadlineMs) {
  const signal = ['SIGTERM', 'SIGINT'].find((name) => process.listenerCount(name));
  if (!signal) return bus.sendShuttedDown().then(() => process.exit(0));
  // The app ends the process, or has nothing left to do, and the process ends.
  process.on('exit', () => bus.sendShuttedDownAtOnce());
  bus.unref();
  if (deadlineMs) {
    setTimeout(() => {
      say(`what the app does at ${signal} has not ended the process in ${deadlineMs * 0.75} ms`);
      process.exit(0);
    }, deadlineMs * 0.75).unref();
  }
  process.emit(signal, signal);
}

const env = { ...process.env };
/** The connection to the master; undefined without one. */
exports.bus = undefined;
if (isWorker(env)) {
  try {
    exports.bus = register(env);
  } catch (error) {
    say(error.message);
    process.exit(1);
  }
  for (const name of OWN) delete process.env[name];
}
