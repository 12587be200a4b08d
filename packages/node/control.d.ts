/// <reference types="node" />

/** Where a worker, a slot or an app stands. */
export type Phase = 'initialized' | 'starting' | 'started' | 'stopping' | 'stopped' | 'shutting_down' | 'shut_down' | 'failed' | 'backing_off';

export type WorkerRole = 'occupant' | 'incoming' | 'leaving';

/** How a worker ended. */
export type ExitKind = 'normal_exit' | 'abnormal_exit' | 'external_signal' | 'killed_by_master' | 'spawn_failed' | 'status_taken';

/** Why the master ended a worker by signal. */
export type KillCause = 'stop_signal' | 'start_deadline' | 'stop_deadline' | 'quit_deadline' | 'hurried' | 'hard_shutdown' | 'disconnected' | 'protocol_error' | 'unresponsive' | 'watchdog' | 'unhealthy' | 'refused';

/** What kind of refusal an Error is. */
export type ErrorCode = 'bad_frame' | 'unimplemented' | 'bad_state' | 'not_found' | 'permission_denied' | 'failed' | 'deadline' | 'invalid_argument' | 'busy' | 'rolled_back' | 'not_ready';

export interface MasterStatus {
  pid: number;
  version: string;
  uptimeMs: number;
  /** The file that the master was started from, by its absolute path; empty: it was started without one, or from what can't be read again, or it is too old to say. */
  file: string;
  /** The profile that was laid over that file; empty: none, or it is too old to say. */
  profile: string;
  /** The process of the keeper, which starts another master if this one crashes; 0: there is none. */
  keeper: number;
  /** Whether the keeper is there. */
  isProtected: boolean;
}

export interface AppStatus {
  name: string;
  phase: Phase | null;
  desired: number;
  ready: number;
  generation: number;
  /** The operation under way, such as "start"; empty: none. */
  operation: string;
  workers: WorkerStatus[];
  /** The listeners, as name=address. */
  listeners: string[];
  /** How the app ended, for people; empty while it has not. */
  outcome: string;
  /** The apps that have to be there before this one is started; empty unless it waits for them. */
  waitsFor: string[];
  /** What was accepted and can't begin yet, and what it waits for, for people: "a reload waits until old workers are gone"; empty: nothing. */
  queued: string;
  /** How it runs by its schedule. Absent: it has none. With one, `desired` and `ready` are 1 while the schedule is on. */
  cron: CronStatus | null;
}

/** An app that runs by a schedule. Times are those of the wall clock, in milliseconds since 1970. */
export interface CronStatus {
  /** As it is configured, such as "30 3 * * *" or "@every 90s". */
  schedule: string;
  /** Whose time that is, such as "local" or "Europe/Berlin". */
  timezone: string;
  /** When the next run is due. Absent: the schedule is held, or the app does not run. */
  nextMs: number | null;
  /** When the run was due that waits for the end of the one under way. Absent: none waits. */
  waitingMs: number | null;
  /** How many runs have begun, how many of them failed, and how many were skipped. */
  runs: number;
  failed: number;
  skipped: number;
  /** The newest, whatever became of it. Absent: none was due yet. */
  last: CronRun | null;
}

/** One run; or runs that were due one after the other and were skipped for the same reason. */
export interface CronRun {
  /** Counts those that began, from 1; 0: it was skipped. */
  number: number;
  /** When it was due, of several the last one. Absent: somebody asked for it. */
  dueMs: number | null;
  /** When it began; 0: it was skipped. */
  beganMs: number;
  /** When it ended. Absent: it is under way, or was skipped. */
  endedMs: number | null;
  /** How it ended. */
  exit: Exit | null;
  /** Whether that was a failure. An end that somebody asked for is none. */
  failed: boolean;
  /** Why it was skipped, for people; empty: it was not. */
  skipped: string;
  /** How many were skipped. */
  count: number;
}

/** A slot and what is in it. */
export interface WorkerStatus {
  /** 0: the slot has had no worker yet. */
  id: number;
  slot: number;
  generation: number;
  /** 0: no process. */
  pid: number;
  phase: Phase | null;
  uptimeMs: number;
  restarts: number;
  /** Until the next try, while backing off. */
  nextTryMs: number | null;
  lastExit: Exit | null;
  /** What the worker last said of itself. */
  statusText: string;
  inFlight: number | null;
  /** What the worker is to the slot. While workers are replaced, a slot has several. */
  role: WorkerRole | null;
  /** Why the worker does not count as ready though it is started: it failed its readiness probe. Of one that is starting: what keeps it from being ready, as far as is known. Empty: nothing is known. */
  unready: string;
  /** How much longer the master waits for what the worker is to do next: to become ready, to drain, to leave. Absent: it is to do nothing, or the time is not limited. */
  leftMs: number | null;
  /** What the worker last measured of itself, by the order of the names. */
  gauges: Gauge[];
  /** How many readings of its last Status were not kept. */
  gaugesRefused: number;
}

/** One reading of a worker's own, such as the length of a queue. */
export interface Gauge {
  /** A letter or an underscore, then letters, digits and underscores, all ASCII; at most 100 bytes. */
  name: string;
  /** Any number but NaN and the infinities. */
  value: number;
}

/** How a worker ended, with the evidence. */
export interface Exit {
  kind: ExitKind | null;
  /** The exit code, where there was one. */
  code: number | null;
  /** The signal's name, such as "SIGKILL", where one ended the process. */
  signal: string;
  coreDumped: boolean;
  killCause: KillCause | null;
  /** The phase the worker was in. */
  during: Phase | null;
  uptimeMs: number;
  /** The largest resident set of the process, in KiB. */
  maxRssKb: number;
  /** User and system time of the process, in milliseconds. */
  cpuMs: number;
  /** The last lines it wrote to stderr. */
  stderrTail: string[];
  /** Who asked for its end; empty if nobody did. */
  askedBy: string;
  /** SpawnFailed: the step that failed, such as "exec". */
  step: string;
  /** SpawnFailed: the errno of that step. */
  errno: number;
  /** A sentence for people that says all of the above. */
  text: string;
  /** When it ended, in milliseconds since 1970; 0: not known. */
  timeMs: number;
}

/** Something that happened, in the order it happened. */
export interface Event {
  /** Rises by one for each event of this master. */
  seq: number;
  /** Wall clock, milliseconds since 1970, for display. */
  timeMs: number;
  app: string;
  /** Absent for an event of the app as a whole. */
  slot: number | null;
  generation: number;
  /** 0: no worker. */
  worker: number;
  /** 0: no process. */
  pid: number;
  /** The event's name, such as "started". */
  name: string;
  /** The phase after the event. */
  phase: Phase | null;
  /** Exited only. */
  exit: Exit | null;
  /** A sentence for people, where the name does not say it all. */
  detail: string;
  /** restart_scheduled only: until the next try. */
  nextTryMs: number | null;
  /** replaced only: the process whose place it took; 0: the place was empty. */
  replacedPid: number;
}

/** How an operation went for one app or worker, or a signal. */
export interface OperationResult {
  /** APP or APP/SLOT. */
  name: string;
  /** The process that is there now, for a worker; 0: none. */
  pid: number;
  /** Why it was not done; absent: it was. */
  error: Failure | null;
  /** The last lines on stderr of the worker that failed. */
  lastWords: string[];
  /** How many workers the app should have now, for an app. */
  desired: number;
  /** Which generation the app is of now, for an app. */
  generation: number;
  /** What is under way in the app now, such as "canary", for an app; empty: nothing. */
  operation: string;
  /** The newest event of the app that the answer reflects. */
  lastSeq: number;
}

/** The answer to a frame that could not be carried out. */
export interface Failure {
  code: ErrorCode | null;
  /** A sentence that a person can act on. */
  message: string;
}
/** What there is. The newest event that it reflects is `lastSeq`. */
export interface Status {
  master: MasterStatus;
  apps: AppStatus[];
  lastSeq: number;
}

/** Events that are gone, because the reader was slower than they came. */
export interface Missed {
  name: 'missed';
  count: number;
  /** The next event that is still there. */
  nextSeq: number;
}

/** Ends the waiting, and the connection; what was begun goes on. */
export interface Ask {
  signal?: AbortSignal;
}

/** What is to be otherwise than the app's own policy says. */
export interface Reload extends Ask {
  /** Replace this many workers, then wait for `promote` or `abort`. */
  canary?: number;
  /** How many new workers may be beside the old ones: so many, or '25%'. */
  maxSurge?: number | `${number}%`;
  /** How many workers may be missing. */
  maxUnavailable?: number | `${number}%`;
  /** How long a new one has to live before it takes over. */
  soakMs?: number;
  /** How long all of it may take. */
  timeoutMs?: number;
  /** What follows the first replacement that fails. */
  onFailure?: 'rollback' | 'pause';
}

/** Why there is no answer, or not the one that was wanted. */
export class ControlError extends Error {
  constructor(code: ControlError['code'], message: string, results?: OperationResult[]);
  /** 'unreachable': there is no master; 'disconnected': it went away. 'rolled_back': everything is as it was. */
  code: ErrorCode | 'unreachable' | 'disconnected' | 'unsupported_version' | 'malformed' | null;
  /** How each app came out. */
  results: OperationResult[];
}

/** A client of a master's control socket. Each call has a connection of its own. */
export class Control {
  /** The control socket; default: what DROVER_CONTROL says. */
  constructor(path?: string);
  /** What there is, of these apps or of all: by name or pattern. Without a signal it waits for 30 s. */
  status(apps?: string | Iterable<string>, options?: Ask): Promise<Status>;
  /** What happened after the event `since` (0: all that is kept), and with `follow` (true) what happens from now on, without an end. */
  events(options?: { since?: number; follow?: boolean } & Ask): AsyncGenerator<Event | Missed, void, undefined>;
  /** Replaces the workers of these apps by new ones; resolves when that is done, and rejects with a `ControlError` if it was taken back. */
  reload(apps: string | Iterable<string>, options?: Reload): Promise<OperationResult[]>;
  /** Goes on with a reload that is held. */
  promote(apps: string | Iterable<string>, options?: Ask): Promise<OperationResult[]>;
  /** Takes a reload back that is held or under way. */
  abort(apps: string | Iterable<string>, options?: Ask): Promise<OperationResult[]>;
}
