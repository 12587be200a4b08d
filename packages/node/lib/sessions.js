'use strict';
// The sessions of an HTTP/2 server, and how they end without losing a stream.

const LAST_STREAM = 2 ** 31 - 1;

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

  /** Tells clients to open no further streams here. What they have sent meanwhile is taken. */
  announce() {
    this.#all.forEach((isAnnounced, session) => {
      if (isAnnounced || session.destroyed) return;
      session.goaway(0, LAST_STREAM);
      this.#all.set(session, true);
    });
  }

  /** Each ends with its last stream. */
  close() { this.#all.forEach((_, session) => session.close()); }
}

module.exports = { Sessions };
