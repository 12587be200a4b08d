'use strict';
// An app that asks `cluster` what it is hears that it is a worker: there is a master, and it forks no others.

const cluster = require('node:cluster');
const { EventEmitter } = require('node:events');
const { syncBuiltinESMExports } = require('node:module');

/** Makes this process a worker. Returns `alone(run)`, which runs what has to find it otherwise: Node's own `listen`. */
function becomeWorker(slot) {
  let isAlone = false;
  for (const name of ['isPrimary', 'isMaster']) Object.defineProperty(cluster, name, { configurable: true, enumerable: true, get: () => isAlone });
  Object.defineProperty(cluster, 'isWorker', { configurable: true, enumerable: true, get: () => !isAlone });
  cluster.worker = Object.assign(new EventEmitter(), {
    id: slot + 1,
    process,
    exitedAfterDisconnect: undefined,
    isConnected: () => true,
    isDead: () => false,
    send: (...args) => process.send(...args),
    kill: (signal = 'SIGTERM') => process.kill(process.pid, signal),
    disconnect() { return this; },
  });
  cluster.worker.destroy = cluster.worker.kill;
  syncBuiltinESMExports();
  return (run) => {
    isAlone = true;
    try {
      return run();
    } finally {
      isAlone = false;
    }
  };
}

module.exports = { becomeWorker };
