'use strict';
// The sockets that the master has handed over, and which of them a server means by what it listens on.

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

/** The first descriptor of sd_listen_fds(3). */
const FIRST = 3;

// A handle that is garbage would close its descriptor.
const looked = [];

/** Whether `register` is in all that node runs below the process that the master has started, such as npm and what npm starts. */
const isInherited = ({ NODE_OPTIONS = '' }) => /drover-worker\/register/.test(NODE_OPTIONS);

/**
 * Which descriptors are for this process, with their names: if it is the one that the master has started. Where `register` is inherited
 * those of that one may have been passed on; from which number on says DROVER_FDS_FROM.
 */
function descriptors(env) {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '', DROVER_FDS_FROM } = env;
  const names = LISTEN_FDNAMES.split(':');
  const from = Number(DROVER_FDS_FROM) || FIRST;
  const all = Array.from({ length: Number(LISTEN_FDS) || 0 }, (_, index) => ({ fd: from + index, name: names[index] ?? '' }));
  if (Number(LISTEN_PID) === process.pid) return all;
  const arePassedOn = isInherited(env) && all.every(({ fd }, index) => isSame(fd, `/proc/${LISTEN_PID}/fd/${FIRST + index}`));
  return arePassedOn ? all : [];
}

function isSame(fd, there) {
  try {
    const what = fs.readlinkSync(`/proc/self/fd/${fd}`);
    return what.startsWith('socket:') && what === fs.readlinkSync(there);
  } catch {
    return false;
  }
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

  get descriptors() { return this.#all.map(({ fd }) => fd); }

  get hasPaths() { return this.#all.some((socket) => socket.path); }

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

module.exports = { Sockets, descriptors, isInherited };
