'use strict';
// Node closes the master's sockets for what it starts; a wrapper, such as npm, has them pass on.

const { ChildProcess } = require('node:child_process');

const PIPES = ['pipe', 'pipe', 'pipe'];

/**
 * While `wanted()`, processes that are started get these descriptors after their own, and DROVER_FDS_FROM says where. They are for those
 * that also get what the master has said to this process. Returns `{ hasPassed }`: whether there was one.
 */
function passOn(descriptors, wanted) {
  const passing = { hasPassed: false };
  const { spawn } = ChildProcess.prototype;
  ChildProcess.prototype.spawn = function (options) {
    const isFor = wanted() && options?.envPairs?.some((pair) => pair.startsWith('DROVER_TOKEN='));
    if (!isFor) return spawn.call(this, options);
    passing.hasPassed = true;
    const { stdio = PIPES, envPairs } = options;
    const own = typeof stdio === 'string' ? PIPES.map(() => stdio) : [...stdio, ...PIPES.slice(stdio.length)];
    const others = envPairs.filter((pair) => !pair.startsWith('DROVER_FDS_FROM='));
    return spawn.call(this, { ...options, stdio: [...own, ...descriptors], envPairs: [...others, `DROVER_FDS_FROM=${own.length}`] });
  };
  return passing;
}

module.exports = { passOn };
