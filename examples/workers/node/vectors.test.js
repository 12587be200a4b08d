'use strict';
// The golden frames of proto/vectors/v1: what is legal decodes to its JSON twin, what is refused is refused. `npm test` runs it.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { root, decoder } = require('drover-worker');

const directory = path.join(__dirname, 'proto', 'vectors', 'v1');

/** The message in a frame, in protobuf's JSON form; undefined if it is cut short. */
function decode({ message, hex }, cut = 0) {
  const type = root.lookupType(`drover.v1.${message}`);
  let decoded;
  const take = (bytes) => { decoded = type.toObject(type.decode(bytes), { longs: String, enums: String, bytes: String, json: true }); };
  const refuse = (error) => { throw error; };
  const limit = message.startsWith('Control') ? 4_194_304 : 1_114_112;
  decoder(() => limit, take, refuse)(Buffer.from(hex, 'hex').subarray(0, hex.length / 2 - cut));
  return decoded;
}

const files = fs.readdirSync(directory).filter((name) => name.endsWith('.jsonl'));
test('there are files', () => assert.ok(files.includes('worker.jsonl') && files.includes('refused.jsonl')));
for (const file of files) {
  const vectors = fs.readFileSync(path.join(directory, file), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  for (const vector of vectors) {
    test(`${file}: ${vector.name}`, () => {
      if (file === 'refused.jsonl') return assert.throws(() => decode(vector));
      assert.deepStrictEqual(decode(vector), vector.json);
      assert.strictEqual(decode(vector, 1), undefined);
    });
  }
}
