'use strict';
// A worker outlives its master: it connects again, to a successor that holds the same path. The masters here are of this test.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { MessageBus, root, encode, decoder } = require('drover-worker');

const [Hello, HelloReply, WorkerFrame, MasterFrame] = ['Hello', 'HelloReply', 'WorkerFrame', 'MasterFrame'].map((name) => root.lookup(`drover.v1.${name}`));
const TOKEN_IN_USE = 3;
const UNKNOWN_TOKEN = 2;

/** What comes, for those who take one after the other. */
function queue() {
  const [come, wanted] = [[], []];
  return {
    push(one) { if (wanted.length) wanted.shift()(one); else come.push(one); },
    next: () => new Promise((resolve) => { if (come.length) resolve(come.shift()); else wanted.push(resolve); }),
  };
}

/** Listens where a worker looks for its master; `next` is the next connection, with its Hello. */
async function master(t, graceMs = 120_000) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'again-'));
  const at = path.join(directory, 'worker.sock');
  const { push, next } = queue();
  const all = new Set();
  const server = net.createServer((socket) => {
    all.add(socket);
    const frames = queue();
    let hello;
    socket.on('error', () => {}); // the worker may have left
    socket.on('data', decoder(() => 1 << 20, (bytes) => {
      if (hello) return frames.push(WorkerFrame.decode(bytes));
      hello = Hello.decode(bytes);
      push({
        hello,
        next: frames.next,
        send: (frame) => socket.write(encode(MasterFrame, frame)),
        end: () => socket.destroy(),
        reject: (code) => socket.end(encode(HelloReply, { reject: { code, message: 'as the test wants it' } })),
        welcome: () => socket.write(encode(HelloReply, { welcome: {
          version: 1, identity: { app: 'test' }, capabilities: ['bus', 'app'],
          limits: { maxFrameBytes: 1 << 20, drainTimeoutMs: graceMs / 2, quitTimeoutMs: graceMs / 2 },
        } })),
      });
    }));
  });
  server.listen(at);
  await once(server, 'listening');
  t.after(() => {
    server.close();
    all.forEach((socket) => socket.destroy());
    fs.rmSync(directory, { recursive: true });
  });
  return { next, at, close: () => { server.close(); fs.rmSync(at, { force: true }); } };
}

/** A worker that its first master knows as started. */
async function started(t) {
  const masters = await master(t);
  const env = { DROVER_SOCKET: masters.at, DROVER_TOKEN: 'a token' };
  const bus = new MessageBus(env);
  const events = queue();
  for (const name of ['stop', 'resume', 'quit', 'message']) bus.on(name, (about) => events.push({ name, about }));
  t.after(() => bus.unref());
  const first = await masters.next();
  first.welcome();
  bus.sendStarted();
  assert.strictEqual((await first.next()).body, 'started');
  env.DROVER_SOCKET = '/nowhere';
  delete env.DROVER_TOKEN;
  return { masters, bus, events, first };
}

/** The next connection, of which the worker hears that it stands. */
async function successor({ masters }) {
  const second = await masters.next();
  second.welcome();
  return second;
}

/** Whoever heard it first may have died before that was written down. */
async function saysStarted(connection) {
  assert.strictEqual((await connection.next()).body, 'started');
}

/** That it says nothing before this. */
async function answersPing(connection) {
  connection.send({ seq: 77, expectsReply: true, ping: {} });
  const { body, replyTo } = await connection.next();
  assert.deepStrictEqual([body, Number(replyTo)], ['pong', 77]);
}

test('it comes back with the same Hello, and says Started to each master once', async (t) => {
  const worker = await started(t);
  worker.first.end();
  const second = await successor(worker);
  assert.strictEqual(second.hello.token, 'a token');
  assert.deepStrictEqual(second.hello, worker.first.hello);
  await saysStarted(second);
  await answersPing(second);
  second.end();
  const third = await successor(worker);
  await saysStarted(third);
  await answersPing(third);
});

test('what was said while there was no connection is said on the next one', async (t) => {
  const masters = await master(t);
  const bus = new MessageBus({ DROVER_SOCKET: masters.at, DROVER_TOKEN: 'a token' });
  t.after(() => bus.unref());
  const first = await masters.next();
  first.welcome();
  await bus.status('warms up');
  assert.strictEqual((await first.next()).status.text, 'warms up');
  first.end();
  const second = await masters.next();
  for (const text of ['is warm', 'serves']) await bus.status(text);
  await bus.progress();
  bus.sendStarted();
  second.welcome();
  assert.strictEqual((await second.next()).status.text, 'serves');
  assert.strictEqual((await second.next()).body, 'progress');
  assert.strictEqual((await second.next()).body, 'started');
  second.end();
  const third = await masters.next();
  third.welcome();
  // Nobody knows whether the last one has read it.
  assert.strictEqual((await third.next()).status.text, 'serves');
  await saysStarted(third);
  await answersPing(third);
});

test('subscriptions come along; what was given up does not', async (t) => {
  const worker = await started(t);
  const { bus, first } = worker;
  for (const [what, topic] of [['subscribe', 'kept'], ['subscribe', 'left'], ['unsubscribe', 'left']]) {
    const done = bus[what](topic);
    first.send({ replyTo: (await first.next()).seq, accepted: { delivered: 0 } });
    await done;
  }
  first.end();
  const second = await successor(worker);
  assert.strictEqual((await second.next()).subscribe.topic, 'kept');
  await saysStarted(second);
  await answersPing(second);
});

test('a question that is open fails; one that is asked meanwhile is answered by the successor', async (t) => {
  const worker = await started(t);
  const { masters, bus, first } = worker;
  const open = bus.request('topic', 'open');
  assert.strictEqual(String((await first.next()).message.payload), 'open');
  first.end();
  await assert.rejects(open, { code: 'FAILED', message: 'the connection to the master has ended' });
  const second = await masters.next();
  const later = bus.request('topic', 'later');
  const sent = bus.send('topic', 'sent');
  second.welcome();
  await saysStarted(second);
  const asked = await second.next();
  assert.strictEqual(String(asked.message.payload), 'later');
  assert.strictEqual(String((await second.next()).message.payload), 'sent');
  second.send({ replyTo: asked.seq, reply: { payload: Buffer.from('here') } });
  assert.strictEqual(String(await later), 'here');
  await sent;
});

test('what a master has asked that is gone is answered to nobody', async (t) => {
  const worker = await started(t);
  worker.first.send({ seq: 5, expectsReply: true, message: { topic: 'topic', payload: Buffer.from('late') } });
  const { about } = await worker.events.next();
  worker.first.end();
  const second = await successor(worker);
  await saysStarted(second);
  about.reply('too late');
  await answersPing(second);
});

test('a Stop that comes again is answered, and no second one', async (t) => {
  const worker = await started(t);
  worker.first.send({ seq: 5, stop: { deadlineMs: 60_000 } });
  assert.strictEqual((await worker.events.next()).name, 'stop');
  worker.first.end();
  const second = await successor(worker);
  second.send({ seq: 8, stop: { deadlineMs: 50_000 } });
  await answersPing(second);
  second.end();
  // It is done before the next one asks.
  const third = await worker.masters.next();
  await worker.bus.sendStopped();
  third.welcome();
  await answersPing(third);
  third.send({ seq: 9, stop: { deadlineMs: 40_000 } });
  const { body, replyTo } = await third.next();
  assert.deepStrictEqual([body, Number(replyTo)], ['stopped', 9]);
  third.send({ seq: 10, resume: {} });
  assert.strictEqual((await worker.events.next()).name, 'resume');
  third.end();
  const fourth = await successor(worker);
  fourth.send({ seq: 11, resume: {} });
  await answersPing(fourth);
  worker.bus.sendStarted();
  assert.strictEqual(Number((await fourth.next()).replyTo), 11);
  fourth.send({ seq: 12, quit: {} });
  assert.strictEqual((await worker.events.next()).name, 'stop');
  fourth.end();
  const fifth = await successor(worker);
  fifth.send({ seq: 13, quit: {} });
  await answersPing(fifth);
  worker.bus.sendStopped();
  assert.strictEqual((await worker.events.next()).name, 'quit');
  worker.bus.sendShuttedDown();
  const last = await fifth.next();
  assert.deepStrictEqual([last.body, Number(last.replyTo)], ['shutDown', 13]);
});

test('a first connection that ends without an answer is made again', async (t) => {
  const masters = await master(t);
  const bus = new MessageBus({ DROVER_SOCKET: masters.at, DROVER_TOKEN: 'a token' });
  t.after(() => bus.unref());
  const dies = await masters.next();
  dies.end();
  const first = await masters.next();
  assert.deepStrictEqual(first.hello, dies.hello);
  first.welcome();
  bus.sendStarted();
  await saysStarted(first);
});

test('first connections that all end without an answer are a refusal', async (t) => {
  const masters = await master(t);
  const env = { ...process.env, DROVER_SOCKET: masters.at, DROVER_TOKEN: 'a token' };
  const script = "new (require('drover-worker').MessageBus)()";
  const child = spawn(process.execPath, ['-e', script], { cwd: __dirname, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => { said += chunk; });
  const closed = once(child, 'close');
  for (let i = 0; i < 4; i++) (await masters.next()).end();
  assert.deepStrictEqual(await closed, [1, null]);
  assert.match(said, /the master refused this worker: no reason given/);
});

test('it waits for a successor that takes its time, dies too, or has not seen the end of the old connection', async (t) => {
  const worker = await started(t);
  worker.first.end();
  const dies = await worker.masters.next();
  dies.end();
  (await worker.masters.next()).reject(TOKEN_IN_USE);
  const slow = await worker.masters.next();
  await sleep(300);
  slow.welcome();
  await saysStarted(slow);
  await answersPing(slow);
});

test('it drains and leaves where nobody holds the path', async (t) => {
  const worker = await started(t);
  worker.masters.close();
  worker.first.end();
  assert.strictEqual((await worker.events.next()).name, 'stop');
  await assert.rejects(worker.bus.request('topic', ''), { code: 'FAILED', message: 'the connection to the master has ended' });
  worker.bus.sendStopped();
  assert.strictEqual((await worker.events.next()).name, 'quit');
  await worker.bus.sendShuttedDown();
});

test('it drains and leaves where it is not welcome', async (t) => {
  const worker = await started(t);
  worker.first.end();
  (await worker.masters.next()).reject(UNKNOWN_TOKEN);
  assert.strictEqual((await worker.events.next()).name, 'stop');
});

test('where nobody welcomes it, it leaves; and if it hangs then, its process ends', async (t) => {
  const masters = await master(t, 2000);
  const script = `
    const bus = new (require('drover-worker').MessageBus)();
    bus.on('stop', () => console.log('drains'));
    bus.sendStarted();
    setInterval(() => {}, 1000);
  `;
  const env = { ...process.env, DROVER_SOCKET: masters.at, DROVER_TOKEN: 'a token' };
  const child = spawn(process.execPath, ['-e', script], { cwd: __dirname, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => { said += chunk; });
  const closed = once(child, 'close');
  const first = await masters.next();
  first.welcome();
  await first.next();
  const since = performance.now();
  first.end();
  await masters.next();
  assert.deepStrictEqual(await closed, [70, null]);
  assert.strictEqual(said, 'drains\n');
  assert.ok(performance.now() - since > 3900, 'it has twice the grace');
});
