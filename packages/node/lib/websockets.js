'use strict';
// The WebSockets of a server: they have no end of their own, so each client is asked to leave.

/** How long a client may take to close. It needs a round trip; who is asleep or gone never does. */
const CLOSING_MS = 3000;

/** A Close with the code 1001, "going away": the client closes, and connects again. RFC 6455, 5.5.1 and 7.4.1. */
const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9]);

class WebSockets {
  #open = new Map(); // each with how much had been written to it before it was one, and what to call when the stop need not wait for it

  /** Whether what asks for an upgrade here is a WebSocket. `leave` is called when it need not be waited for any longer. */
  add({ headers }, connection, leave) {
    if (headers.upgrade?.toLowerCase() !== 'websocket') return false;
    this.#open.set(connection, { before: connection.bytesWritten, leave });
    connection.on('close', () => this.#open.delete(connection));
    return true;
  }

  /** Asks each client to leave, once. */
  tell() {
    this.#open.forEach(({ before, leave }, connection) => {
      if (connection.bytesWritten === before) return; // the app has not answered yet
      this.#open.delete(connection);
      // Who passes bytes on, as a proxy does, may be in the middle of a message.
      if (!connection.writable || connection.listenerCount('unpipe')) return leave();
      connection.write(GOING_AWAY);
      setTimeout(leave, CLOSING_MS).unref();
    });
  }
}

module.exports = { WebSockets };
