'use strict';
// `node --require drover-worker/register app.js`: an app that knows nothing of Drover is a worker. Without a master it does nothing.
// README.md tells what the app may count on.

const { isMainThread } = require('node:worker_threads');
const { say } = require('./lib/say');

let worker;

/** The connection to the master; undefined without one. */
Object.defineProperty(exports, 'bus', { enumerable: true, get: () => worker?.bus });

const env = { ...process.env };
if (isMainThread && env.DROVER_SOCKET) {
  const { descriptors } = require('./lib/sockets');
  if (!Number(env.LISTEN_FDS) || descriptors(env).length) {
    try {
      const { Worker } = require('./lib/registered');
      worker = new Worker(env);
    } catch (error) {
      say(error.message);
      process.exit(1);
    }
  } else {
    say(`the master has started process ${env.LISTEN_PID}, and this is ${process.pid}, which its sockets have not reached. ` +
      'Let drover.toml run node itself; or load this in all that is between, by env = { NODE_OPTIONS = "--require drover-worker/register" }');
  }
}
