'use strict';
// Messages in Node, as its own `child_process` has them: what the bus of Drover is compared with. Prints a line a round: the
// seconds of a message of one child, of a message of many children, and of a delivery to many.
//
//     node bus_node.js ROUNDS

const { fork } = require('node:child_process');

const PAYLOAD = 'x'.repeat(64);
const MANY = 100;
const TO_PARENT = 100_000; // of one child
const EACH_TO_PARENT = 2_000; // of many
const BROADCASTS = 500;
const AT_ONCE = 1_000; // sent before it waits for the pipe
const TOO_LONG_MS = 300_000;

if (process.argv[2] === 'child') child();
else parent(Number(process.argv[2]));

function child() {
  let news = 0;
  process.on('message', async ({ flood, expect, text }) => {
    if (flood) await send([process], flood);
    if (expect) news = expect;
    if (text && --news === 0) process.send({ done: true });
  });
  process.send({ ready: true });
}

/** This many messages to each, one after the other; now and then it waits until the last one is written, lest all pile up. */
async function send(channels, count) {
  const last = channels.at(-1);
  for (let sent = 1; sent <= count; sent += 1) {
    for (const channel of channels) if (channel !== last) channel.send({ text: PAYLOAD });
    if (sent * channels.length % AT_ONCE) last.send({ text: PAYLOAD });
    else await new Promise((written) => { last.send({ text: PAYLOAD }, written); });
  }
}

async function parent(rounds) {
  // The children end with this process.
  setTimeout(() => process.exit(1), TOO_LONG_MS).unref();
  let heard = () => {};
  const children = Array.from({ length: MANY }, () => fork(__filename, ['child']));
  for (const child of children) child.on('message', () => heard());
  const hears = (count) => new Promise((all) => { heard = () => { if (--count === 0) all(); }; });
  await hears(MANY);

  const each = async (count, expected, begun) => {
    const all = hears(expected);
    const begin = process.hrtime.bigint();
    begun();
    await all;
    return Number(process.hrtime.bigint() - begin) / 1e9 / count;
  };
  for (let round = 0; round <= rounds; round += 1) {
    const one = await each(TO_PARENT, TO_PARENT, () => children[0].send({ flood: TO_PARENT }));
    const all = MANY * EACH_TO_PARENT;
    const many = await each(all, all, () => { for (const child of children) child.send({ flood: EACH_TO_PARENT }); });
    for (const child of children) child.send({ expect: BROADCASTS });
    const news = await each(MANY * BROADCASTS, MANY, () => send(children, BROADCASTS));
    if (round) console.log(`${one} ${many} ${news}`);
  }
  // They end then, and this with the last of them.
  for (const child of children) child.disconnect();
}
