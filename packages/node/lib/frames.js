'use strict';
// Frames of drover.v1 and their messages, as `proto/` beside this folder defines them.

const path = require('node:path');
const protobuf = require('protobufjs');

const root = new protobuf.Root();
root.resolvePath = (_, file) => path.join(__dirname, '..', 'proto', file);
root.loadSync(['drover/v1/handshake.proto', 'drover/v1/worker.proto', 'drover/v1/control.proto']);

/** A frame as bytes: the length, then the message. */
function encode(type, message) {
  const body = type.encode(message).finish();
  const frame = Buffer.allocUnsafe(4 + body.length);
  frame.writeUInt32BE(body.length);
  frame.set(body, 4);
  return frame;
}

/** Takes chunks as they come, and calls `onMessage` with the bytes of each whole message, `onError` if one is not a frame. */
function decoder(limit, onMessage, onError) {
  let received = Buffer.alloc(0);
  return (chunk) => {
    received = received.length ? Buffer.concat([received, chunk]) : chunk;
    while (received.length >= 4) {
      const length = received.readUInt32BE(0);
      if (length > limit()) return onError(new Error(`not a frame, or one of more than ${limit()} bytes: ${length}`));
      if (received.length < 4 + length) return;
      const message = received.subarray(4, 4 + length);
      received = received.subarray(4 + length);
      onMessage(message);
    }
  };
}

module.exports = { root, encode, decoder };
