/// <reference types="node" />
import { EventEmitter } from 'node:events';
import { Server } from 'node:net';

/** Who a worker is. The numbers of 64 bits are as protobufjs has them. */
export interface Identity {
  app: string;
  slot: number;
  generation: number | { toNumber(): number };
  workerId: number | { toNumber(): number };
}

/** Who gets a message: the program that embeds the master, all other workers, those that subscribed, one worker, one slot. */
export type To = 'app' | 'all' | 'subscribers' | { worker: number } | { slot: number };

/** What is sent: bytes, or a text. */
export type Payload = string | Uint8Array;

export interface Message {
  topic: string;
  payload: Buffer;
  scope: string;
  /** The id of the worker that sent it; 0: the program, or a person. */
  from: number;
  isRequest: boolean;
  /** Answers a request. It is answered once: a second answer does nothing. */
  reply(payload: Payload): void;
  /** Answers a request with an error. `code` is a name of `ErrorCode` in types.proto, without its prefix. */
  fail(error: unknown, code?: string): void;
}

/** How long the step may take; 0: it is not limited. */
export interface Asked {
  deadlineMs: number;
}

/** The events of a `MessageBus`. */
export interface BusEvents {
  /** Take no new work, finish what there is, `sendStopped`. */
  stop: [Asked];
  /** Take work again, `sendStarted`. */
  resume: [Asked];
  /** Release everything, `sendShuttedDown`, exit. */
  quit: [Asked];
  message: [Message];
}

/** What the other side could not do. `code` is a name of `ErrorCode` in types.proto, without its prefix: 'DEADLINE'. */
export class BusError extends Error {
  constructor(code: string, message?: string);
  code: string;
}

/** What to call `server.listen` with. */
export type Listener = { fd: number; backlog: number } | { port: number };

/** The worker's connection to its master; without `DROVER_SOCKET` it runs alone, and SIGINT or SIGTERM stop it. */
export class MessageBus extends EventEmitter {
  constructor(env?: NodeJS.ProcessEnv);
  /** Whether there is no master. */
  readonly isStandalone: boolean;
  /** None without a master, or before it has answered. */
  readonly identity: Identity | undefined;

  on<E extends keyof BusEvents>(event: E, listener: (...args: BusEvents[E]) => void): this;
  once<E extends keyof BusEvents>(event: E, listener: (...args: BusEvents[E]) => void): this;
  off<E extends keyof BusEvents>(event: E, listener: (...args: BusEvents[E]) => void): this;

  sendStarted(): Promise<void>;
  sendStopped(): Promise<void>;
  sendShuttedDown(): Promise<void>;

  /** How this worker is: a line for people, requests under way, requests done since the process began, readings by name. */
  status(text: string, inFlight?: number, requests?: number, gauges?: Record<string, number>): Promise<unknown>;
  /** For the watchdog (`DROVER_WATCHDOG_MS`): the work goes on. */
  progress(): Promise<unknown>;
  /** So much time from now on is needed for the step that is under way. */
  extend(timeoutMs: number): Promise<unknown>;

  send(topic: string, payload: Payload, to?: To): Promise<void>;
  /** Asks, and resolves with the payload of the reply; rejects with a `BusError`: `FAILED` if the master dies meanwhile. */
  request(topic: string, payload: Payload, options?: { to?: 'app' | { worker: number } | { slot: number }; timeoutMs?: number }): Promise<Buffer>;
  /** Sends to all workers that have subscribed to the topic, and resolves with to how many it goes. */
  publish(topic: string, payload: Payload): Promise<{ delivered: number; refused: number }>;
  subscribe(topic: string): Promise<void>;
  unsubscribe(topic: string): Promise<void>;
  /** Anything, as JSON with the topic "message", for the program that embeds the master. */
  sendMessage(any: unknown): Promise<void>;

  /** What to call `server.listen` with: the socket of this name, or the first; the port `otherwise` without a master. */
  listener(name?: string, otherwise?: number): Listener;
  /**
   * Does all that a worker of HTTP has to: serves on the socket, drains on 'stop', goes on at 'resume', exits at 'quit'. For
   * `lastRequestsMs` (1000) after a stop an idle connection may still bring a request.
   */
  serve(server: Server, options?: { socket?: string; port?: number; lastRequestsMs?: number }): void;
  /** Does not keep the process alive any more. */
  unref(): void;
}

/** The messages of the protocol, as a Root of protobufjs. */
export const root: import('protobufjs').Root;
/** A frame as bytes: the length, then the message. */
export function encode(type: import('protobufjs').Type, message: object): Buffer;
/** Takes chunks as they come, and calls `onMessage` with the bytes of each whole message, `onError` if one is not a frame. */
export function decoder(limit: () => number, onMessage: (bytes: Buffer) => void, onError: (error: Error) => void): (chunk: Buffer) => void;
