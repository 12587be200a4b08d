'use strict';
// The sessions of an HTTP/2 server, and how they end without losing a stream.

const { Writable } = require('node:stream');

// GOAWAY on stream 0, with 2^31 - 1 as the last stream and NO_ERROR: RFC 9113, 6.8.
const NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/** As RFC 9113, 6.8 tells it: a first GOAWAY that refuses nothing; and when clients have read that, a second one. */
class Sessions {
  /** How many streams are under way. */
  streams = 0;
  #all = new Map(); // each with whether its end was announced

  add(session) {
    this.#all.set(session, false);
    session.on('close', () => this.#all.delete(session));
  }

  opened(stream) {
    this.streams += 1;
    stream.on('close', () => { this.streams -= 1; });
  }

  /**
   * Tells clients to open no further streams here. What they have sent meanwhile is taken, but over TLS: whose sessions end now, each
   * with its last stream. A session whose client has not read its settings is left out; they have to come first.
   */
  announce() {
    this.#all.forEach((isAnnounced, session) => {
      if (isAnnounced || session.destroyed || session.pendingSettingsAck) return;
      this.#all.set(session, true);
      // session.goaway() would do, but after it Node drops new streams without a word, whatever the last one is (nghttp2 knows a notice, which
      // Node does not offer). Node writes whole frames, so one of ours may stand between two of its. TLS takes one write at a time.
      if (session.encrypted) session.close();
      else Writable.prototype.write.call(session.socket, NOTICE);
    });
  }

  /** Each ends with its last stream. */
  close() { this.#all.forEach((_, session) => session.close()); }
}

module.exports = { Sessions };
