'use strict';
// The sockets that the master has handed over, and which of them a server means by what it listens on.

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

// A handle that is garbage would close its descriptor.
const looked = [];

/** Which descriptors are for this process, with their names. */
function descriptors({ LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' }) {
  const names = LISTEN_FDNAMES.split(':');
  const count = Number(LISTEN_PID) === process.pid ? Number(LISTEN_FDS) : 0;
  return Array.from({ length: count }, (_, index) => ({ fd: 3 + index, name: names[index] ?? '' }));
}

/** `{ host, port }` of TCP, `{ path }` of a Unix socket; nothing of others. */
function addressOf(fd) {
  try {
    const socket = new net.Socket({ fd, readable: false, writable: false, manualStart: true });
    looked.push(socket);
    const { address: host, port } = socket.address();
    return port ? { host, port } : { path: pathOf(fd) };
  } catch {
    return {}; // of UDP
  }
}

/** Where a Unix socket listens, which Node does not tell. */
function pathOf(fd) {
  const [, inode] = /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/self/fd/${fd}`)) ?? [];
  // proc(5): Num, RefCount, Protocol, Flags, Type, St, Inode, Path.
  const rows = fs.readFileSync('/proc/net/unix', 'utf8').split('\n').map((row) => row.trim().split(/\s+/));
  return rows.find((row) => row[6] === inode)?.[7];
}

/** What `DROVER_PORTS` says, such as "http=3000 admin=3001": the socket that an app means by a port which is not the socket's. */
function portsByName(text = '') {
  const entries = text.split(/[\s,]+/).filter(Boolean).map((entry) => {
    const [, name, port] = /^([^=]+)=(\d+)$/.exec(entry) ?? [];
    if (!name) throw new Error(`DROVER_PORTS has "${entry}", which is not NAME=PORT`);
    return [name, Number(port)];
  });
  return new Map(entries);
}

/** The sockets of the master; each is served by one server. */
class Sockets {
  #all;

  constructor(env) {
    const ports = portsByName(env.DROVER_PORTS);
    this.#all = descriptors(env).map(({ fd, name }) => ({ fd, name, alias: ports.get(name), isTaken: false, ...addressOf(fd) }));
    const unknown = [...ports.keys()].filter((name) => !this.#all.some((socket) => socket.name === name));
    if (unknown.length) throw new Error(`DROVER_PORTS names "${unknown[0]}"; the master's sockets are: ${this}`);
  }

  get isEmpty() { return !this.#all.length; }

  /** The one for a server that wants this port, of this host if there are several; or this path. The port 0 is any. */
  of({ port, host, path: wanted }) {
    if (wanted !== undefined) return this.#all.find((socket) => socket.path === path.resolve(wanted));
    const free = (sockets) => sockets.find((socket) => socket.host === host && !socket.isTaken) ?? sockets.find((socket) => !socket.isTaken) ?? sockets[0];
    if (port) return this.#all.find((socket) => socket.alias === port) ?? free(this.#all.filter((socket) => socket.port === port));
    const left = this.#all.filter((socket) => socket.port && !socket.isTaken);
    return left.length === 1 ? left[0] : undefined;
  }

  toString() {
    const words = this.#all.map(({ name, host, port, path: at, alias }) => {
      const address = at ?? (net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`);
      return `${name}=${port || at ? address : 'not TCP'}${alias ? ` (by DROVER_PORTS ${alias})` : ''}`;
    });
    return words.join(', ') || 'none';
  }
}

module.exports = { Sockets };
