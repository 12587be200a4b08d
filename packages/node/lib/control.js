'use strict';
// A client of a master's control socket: how its apps are, what happens, and reloads.

const { ControlError, answers } = require('./ask');
const { plain } = require('./plain');

const STATUS_TIMEOUT_MS = 30_000; // it is answered at once, by a master that lives
const STEPS = { begin: 1, promote: 2, abort: 3 };
const ON_FAILURE = { rollback: 1, pause: 2 };

class Control {
  #path;

  constructor(path = process.env.DROVER_CONTROL) {
    if (!path) throw new TypeError('a control socket has to be named, here or in DROVER_CONTROL; `drover list` shows those of the masters that run');
    this.#path = path;
  }

  /** What there is, of these apps or of all. */
  async status(apps = [], { signal = AbortSignal.timeout(STATUS_TIMEOUT_MS) } = {}) {
    const whole = { apps: [] };
    for await (const { status } of this.#ask({ status: { apps: listed(apps) } }, signal)) {
      const { master, apps: some, lastSeq } = plain(status);
      Object.assign(whole, { master, lastSeq });
      for (const app of some) {
        const begun = whole.apps.find(({ name }) => name === app.name);
        if (begun) begun.workers.push(...app.workers);
        else whole.apps.push(app);
      }
    }
    return whole;
  }

  /** What happened after the event of this number, and with `follow` what happens from now on, without an end. */
  async* events({ since = 0, follow = true, signal } = {}) {
    for await (const { body, event, missed } of this.#ask({ events: { sinceSeq: since, follow } }, signal)) {
      if (event) yield plain(event);
      else if (body === 'missed') yield { name: 'missed', ...plain(missed) };
    }
  }

  /** Replaces the workers of these apps by new ones: how each came out, or a `ControlError` if one did not. */
  reload(apps, { canary, maxSurge, maxUnavailable, soakMs, timeoutMs, onFailure, signal } = {}) {
    if (onFailure !== undefined && !ON_FAILURE[onFailure]) throw new TypeError(`onFailure is 'rollback' or 'pause', not ${JSON.stringify(onFailure)}`);
    const change = { maxSurge: share(maxSurge), maxUnavailable: share(maxUnavailable), soakMs, timeoutMs, onFailure: ON_FAILURE[onFailure] };
    return this.#results({ reload: { apps: listed(apps), step: STEPS.begin, canary, change } }, signal);
  }

  /** Goes on with a reload that is held. */
  promote(apps, { signal } = {}) { return this.#results({ reload: { apps: listed(apps), step: STEPS.promote } }, signal); }

  /** Takes a reload back that is held or under way. */
  abort(apps, { signal } = {}) { return this.#results({ reload: { apps: listed(apps), step: STEPS.abort } }, signal); }

  async #results(request, signal) {
    const results = [];
    for await (const { operation } of this.#ask(request, signal)) if (operation) results.push(plain(operation));
    const failed = results.find(({ error }) => error);
    if (failed) throw new ControlError(failed.error.code, `${failed.name}: ${failed.error.message}`, results);
    return results;
  }

  #ask(request, signal) { return answers(this.#path, request, signal); }
}

const listed = (names) => (typeof names === 'string' ? [names] : [...names]);

/** 2, or '25%'. */
function share(amount) {
  if (amount === undefined) return undefined;
  const [, percent] = /^(\d+)%$/.exec(amount) ?? [];
  if (percent) return { percent: Number(percent) };
  if (!Number.isInteger(amount) || amount < 0) throw new TypeError(`a share is a number of workers or a text like '25%', not ${JSON.stringify(amount)}`);
  return { count: amount };
}

module.exports = { Control, ControlError };
