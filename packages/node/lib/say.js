'use strict';

/** Says on stderr what an app that knows nothing of Drover can't. */
const say = (sentence) => process.stderr.write(`drover-worker/register: ${sentence}\n`);

module.exports = { say };
