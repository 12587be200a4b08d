'use strict';
// Stops a listening server without losing a request, and lets it go on.

const tls = require('node:tls');

const BACKLOG = 65_535; // the kernel takes its own maximum, so it never falls for the other workers
const SWEEP_MS = 100;

/**
 * The connections of a server, which has not listened yet. For `lastRequestsMs` after a `stop` an open connection may still bring a
 * request, whose answer says that it is the last: a client that is about to send would lose its request if an idle connection were
 * closed at once. A connection of a server that knows no requests is under way until it ends.
 */
class Drain {
  /** How many requests there were. */
  requests = 0;
  #server; #lastRequestsMs;
  // Each with its responses that are under way, and with how much it had brought before: more is a request that has begun.
  #connections = new Map();
  #handshakes = 0; // of TLS, that are under way
  #answers = false; // whether it is a server of requests
  #finish = null; // while it drains

  constructor(server, lastRequestsMs = 1000) {
    this.#server = server;
    this.#lastRequestsMs = lastRequestsMs;
    this.#answers = server.listenerCount('request') > 0;
    server.on('newListener', (name) => { this.#answers ||= name === 'request'; });
    const isSecure = server instanceof tls.Server;
    server.on(isSecure ? 'secureConnection' : 'connection', (connection) => this.#opened(connection));
    if (isSecure) {
      server.on('connection', () => { this.#handshakes += 1; });
      for (const end of ['secureConnection', 'tlsClientError']) server.on(end, () => { this.#handshakes -= 1; this.#look(); });
    }
    server.prependListener('request', (request, response) => this.#asked(request.socket, response));
    this.#watchUpgrades();
  }

  /** How many requests are under way. */
  get inFlight() {
    return [...this.#connections.values()].reduce((sum, { responses }) => sum + responses.size, 0);
  }

  /** Takes no new connection; resolves when the last one has ended. */
  stop() {
    // Not server.close(): that closes the descriptor, and there is none to go on with. Reading is what a listening handle
    // does to accept, and this stops it; listen() begins it again.
    this.#server._handle?.readStart();
    this.#server._handle?.readStop();
    return new Promise((resolve) => {
      let sweeping;
      const beginning = setTimeout(() => { this.#sweep(); sweeping = setInterval(() => this.#sweep(), SWEEP_MS); }, this.#lastRequestsMs);
      this.#finish = () => {
        clearTimeout(beginning);
        clearInterval(sweeping);
        this.#finish = null;
        resolve();
      };
      for (const { responses } of this.#connections.values()) responses.forEach(isLast);
      this.#look();
    });
  }

  /** Takes connections again, after `stop`. */
  resume() { this.#server._handle.listen(BACKLOG); }

  #look() { if (!this.#connections.size && !this.#handshakes) this.#finish?.(); }

  #opened(connection) {
    this.#connections.set(connection, { responses: new Set(), bytesRead: connection.bytesRead });
    connection.on('close', () => this.#left(connection));
  }

  #left(connection) {
    this.#connections.delete(connection);
    this.#look();
  }

  #asked(connection, response) {
    this.requests += 1;
    const state = this.#connections.get(connection);
    if (!state) return; // HTTP/2 has many requests on a connection, which it does not tell
    state.responses.add(response);
    response.on('close', () => {
      state.responses.delete(response);
      state.bytesRead = connection.bytesRead;
    });
    if (this.#finish) isLast(response);
  }

  /** Closes what is idle, and what each EventSource reads: it has no end, and the client comes back by itself. */
  #sweep() {
    if (!this.#answers) return;
    this.#connections.forEach(({ responses, bytesRead }, connection) => {
      const isIdle = !responses.size && connection.bytesRead === bytesRead;
      if (isIdle || [...responses].some(isEventStream)) connection.destroy();
    });
  }

  /** WebSockets and the like have no end of their own either: they stay for as long as the process, and hold up nothing. */
  #watchUpgrades() {
    let watches = false;
    // Only beside a listener of the app's: without one, a server answers such a request like any other.
    const watch = (name) => {
      if (watches || name !== 'upgrade') return;
      watches = true;
      this.#server.prependListener('upgrade', (_, connection) => this.#left(connection));
    };
    if (this.#server.listenerCount('upgrade')) watch('upgrade');
    else this.#server.on('newListener', watch);
  }
}

function isLast(response) {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}

/** Whether an EventSource asked. Others may be sent such a stream, too: theirs has an end, and nobody asks again for what was cut off. */
function isEventStream({ req: { method, headers } }) {
  return method === 'GET' && headers.accept === 'text/event-stream';
}

module.exports = { Drain, BACKLOG };
