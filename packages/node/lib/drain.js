'use strict';
// Stops a listening server without losing a request, and lets it go on.

const tls = require('node:tls');
const { Sessions } = require('./sessions');
const { WebSockets } = require('./websockets');

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
  #sessions = new Sessions(); // of HTTP/2
  #webSockets = new WebSockets();
  #finish = null; // while it drains

  constructor(server, lastRequestsMs = 1000) {
    this.#server = server;
    this.#lastRequestsMs = lastRequestsMs;
    const isSecure = server instanceof tls.Server;
    server.on(isSecure ? 'secureConnection' : 'connection', (connection) => this.#opened(connection));
    if (isSecure) {
      server.on('connection', () => { this.#handshakes += 1; });
      for (const end of ['secureConnection', 'tlsClientError']) server.on(end, () => { this.#handshakes -= 1; this.#look(); });
    }
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('localSettings', () => { if (this.#finish) this.#sessions.announce(); });
    });
    before(server, 'stream', () => (stream) => this.#sessions.opened(stream));
    before(server, 'request', () => {
      this.#answers = true;
      return (request, response) => this.#asked(request.socket, response);
    });
    // WebSockets and the like have no end of their own. Without a listener of the app's, a server answers such a request like any other.
    before(server, 'upgrade', () => (request, connection) => {
      const state = this.#connections.get(connection);
      if (!state) return;
      state.isUpgraded = this.#webSockets.add(request, connection, () => this.#left(connection));
      if (!state.isUpgraded) this.#left(connection);
    });
  }

  /** How many requests are under way. */
  get inFlight() {
    return [...this.#connections.values()].reduce((sum, { responses }) => sum + responses.size, this.#sessions.streams);
  }

  /** Takes no new connection; resolves when the last one has ended. */
  stop() {
    // Not server.close(): that closes the descriptor, and there is none to go on with. Reading is what a listening handle
    // does to accept, and this stops it; listen() begins it again.
    this.#server._handle?.readStart();
    this.#server._handle?.readStop();
    // An app that closes its server would close, with it, connections on which a last request is under way to it.
    this.#server.closeIdleConnections = () => {};
    return new Promise((resolve) => {
      let sweeping;
      const beginning = setTimeout(() => { this.#sweep(); sweeping = setInterval(() => this.#sweep(), SWEEP_MS); }, this.#lastRequestsMs);
      this.#finish = () => {
        clearTimeout(beginning);
        clearInterval(sweeping);
        this.#finish = null;
        delete this.#server.closeIdleConnections;
        resolve();
      };
      for (const { responses } of this.#connections.values()) responses.forEach(isLast);
      this.#sessions.announce();
      this.#webSockets.tell();
      this.#look();
    });
  }

  /** Takes connections again, after `stop`; unless the app has closed the server. */
  resume() { this.#server._handle?.listen(BACKLOG); }

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
    this.#sessions.close();
    this.#webSockets.tell();
    if (!this.#answers) return;
    this.#connections.forEach(({ responses, bytesRead, isUpgraded }, connection) => {
      const isIdle = !responses.size && connection.bytesRead === bytesRead && !isUpgraded;
      if (isIdle || [...responses].some(isEventStream)) connection.destroy();
    });
  }
}

/** Once the server has a listener of the app's for the event, another one comes before it: what `listener` returns. */
function before(server, event, listener) {
  let isWatched = false;
  const watch = (name) => {
    if (isWatched || name !== event) return;
    isWatched = true;
    server.prependListener(event, listener());
  };
  if (server.listenerCount(event)) watch(event);
  else server.on('newListener', watch);
}

function isLast(response) {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}

/** Whether an EventSource asked. Others may be sent such a stream, too: theirs has an end, and nobody asks again for what was cut off. */
function isEventStream({ req: { method, headers } }) {
  return method === 'GET' && headers.accept === 'text/event-stream';
}

module.exports = { Drain, BACKLOG };
