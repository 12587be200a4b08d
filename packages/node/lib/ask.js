'use strict';
// One question to a master, on a connection of its own.

const { once } = require('node:events');
const net = require('node:net');
const { version } = require('../package.json');
const { root, encode, decoder } = require('./frames');
const { nameOf } = require('./plain');

const names = ['ControlHello', 'ControlHelloReply', 'ControlRequest', 'ControlResponse', 'ErrorCode', 'RejectCode'];
const [ControlHello, ControlHelloReply, ControlRequest, ControlResponse, ErrorCode, RejectCode] = names.map((name) => root.lookup(`drover.v1.${name}`));

const MAX_FRAME_BYTES = 4 * 1024 * 1024; // before the welcome tells it

/**
 * Why there is no answer, or not the one that was wanted. `code` is 'unreachable': there is no master; 'disconnected': it went away;
 * or a name of `ErrorCode` or `RejectCode` in the protocol, as small letters: 'not_found', 'rolled_back'. `results`: how each app came out.
 */
class ControlError extends Error {
  constructor(code, message, results = []) {
    super(message);
    this.name = 'ControlError';
    this.code = code;
    this.results = results;
  }
}

/** The bodies of the answers, one after the other. Who takes no more closes the connection. */
async function* answers(path, request, signal) {
  const socket = net.connect({ path, signal });
  try {
    await once(socket, 'connect').catch((error) => {
      if (signal?.aborted) throw signal.reason;
      throw new ControlError('unreachable', `no master answers at ${path}: ${error.message}`);
    });
    socket.write(encode(ControlHello, { minVersion: 1, maxVersion: 1, clientVersion: version }));
    let welcome;
    for await (const bytes of frames(socket, () => welcome?.maxFrameBytes ?? MAX_FRAME_BYTES)) {
      if (!welcome) {
        welcome = welcomeOf(ControlHelloReply.decode(bytes));
        socket.write(encode(ControlRequest, { seq: 1, ...request }));
        continue;
      }
      const response = ControlResponse.decode(bytes);
      if (response.error) throw new ControlError(nameOf(ErrorCode, response.error.code), response.error.message);
      yield response;
      if (!response.more) return;
    }
    throw new ControlError('disconnected', `the master at ${path} went away before it had answered`);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error.syscall) throw new ControlError('disconnected', `the connection to ${path} broke: ${error.message}`);
    throw error;
  } finally {
    socket.destroy();
  }
}

/** Reads no more than is taken. */
async function* frames(socket, limit) {
  const arrived = [];
  const take = decoder(limit, (bytes) => arrived.push(bytes), (error) => { throw error; });
  for await (const chunk of socket) {
    take(chunk);
    yield* arrived.splice(0);
  }
}

function welcomeOf({ welcome, reject }) {
  if (welcome?.version === 1) return welcome;
  throw new ControlError((reject && nameOf(RejectCode, reject.code)) ?? 'disconnected', reject?.message || 'what answers is not a master');
}

module.exports = { ControlError, answers };
