//! `drover-worker/control`: what a script in Node asks a master.

use std::process::Command;

use drover_e2e::harness::patiently;

use super::packed::app;
use super::service::Service;

const APP: &str =
    "require('node:http').createServer((request, response) => response.end('hello')).listen(3000);";

/// Fails at the first thing that is not as it has to be. Its argument is the app.
const SCRIPT: &str = r"
const assert = require('node:assert');
const fs = require('node:fs');
const { Control, ControlError } = require('drover-worker/control');
const { root } = require('drover-worker');

async function main([socket, name]) {
  const control = new Control(socket);
  const { master, apps: [app], lastSeq } = await control.status();
  assert.ok(master.pid > 0 && lastSeq > 0);
  assert.deepStrictEqual([app.name, app.phase, app.ready, app.generation, app.cron], [name, 'started', 2, 1, null]);
  assert.deepStrictEqual(app.workers.map(({ slot, role, phase }) => [slot, role, phase]), [[0, 'occupant', 'started'], [1, 'occupant', 'started']]);
  assert.deepStrictEqual((await control.status(name)).apps.length, 1);

  // Followed from what the status reflects until what the reload brings.
  const names = [];
  const following = (async () => {
    for await (const event of control.events({ since: lastSeq })) {
      assert.ok(event.seq > lastSeq && event.timeMs > 0 && (event.app === name || event.app === ''), JSON.stringify(event));
      names.push(event.name);
      if (event.name === 'committed') return event;
    }
  })();
  const [verdict] = await control.reload(name, { maxSurge: '100%' });
  assert.deepStrictEqual([verdict.name, verdict.error, verdict.desired, verdict.generation], [name, null, 2, 2]);
  assert.strictEqual((await following).phase, 'started');
  assert.ok(names.includes('reload_started') && names.includes('replaced'), names.join());
  const kept = [];
  for await (const { seq } of control.events({ follow: false })) kept.push(seq);
  assert.ok(kept[0] === 1 && kept.length > names.length);

  // A canary is held, and taken back.
  assert.strictEqual((await control.reload([name], { canary: 1 }))[0].operation, 'canary');
  await control.abort(name);

  const failed = async (code, promise) => {
    const error = await promise.then(() => assert.fail(`not ${code}`), (reason) => reason);
    assert.ok(error instanceof ControlError && error.code === code, error.stack);
    return error;
  };
  await failed('not_found', control.reload('nobody'));
  await failed('unreachable', new Control(`${socket}.none`).status());
  fs.writeFileSync('app.js', 'console.error(`no such database`); process.exit(3);');
  const { results: [result], message } = await failed('rolled_back', control.reload(name));
  assert.ok(message.startsWith(name) && result.lastWords.includes('no such database'), message);
  assert.strictEqual((await control.status()).apps[0].ready, 2);

  const asked = new AbortController();
  const cut = (async () => { for await (const _ of control.events({ signal: asked.signal })) asked.abort(); })();
  await assert.rejects(cut, { name: 'AbortError' });
  assert.throws(() => control.reload(name, { onFailure: 'nonsense' }), /'rollback' or 'pause', not .nonsense/);
  assert.throws(() => control.reload(name, { maxSurge: '1.5' }), /a number of workers or a text like '25%'/);

  // The types are those of the protocol.
  const types = fs.readFileSync(require.resolve('drover-worker/control').replace('.js', '.d.ts'), 'utf8');
  const written = (text) => [...text.matchAll(/^  (\w+): /gm)].map(([, field]) => field);
  const [, ...interfaces] = types.split(/^export interface /m).map((text) => [/^\w+/.exec(text)?.[0], text.split('\n}')[0]]);
  // The others are of this package alone.
  const inProtocol = interfaces.filter(([type]) => !['Status', 'Missed', 'Ask', 'Reload'].includes(type));
  assert.ok(inProtocol.length >= 10, inProtocol.join());
  for (const [type, text] of inProtocol) {
    const fields = root.lookupType(`drover.v1.${type === 'Failure' ? 'Error' : type}`).fieldsArray.map((field) => field.name);
    assert.deepStrictEqual(written(text), fields, type);
  }
}
main(process.argv.slice(2)).then(() => console.log('as it has to be'));
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_asks_for_the_status_follows_events_and_reloads_with_a_verdict() {
    let Some(dir) = app("app.js", APP).await else { return };
    std::fs::write(dir.path().join("script.js"), SCRIPT).unwrap();
    let host = super::register::host(20);
    let command = super::register::command(&dir, "--require", "app.js", 2, "");
    let mut service = Service::begin(&super::register::listen(host, 3000), &command);
    service.is_ready().await;
    let mut script = Command::new("node");
    script.current_dir(dir.path()).arg("script.js").arg(service.socket()).arg(service.name());
    let run = tokio::task::spawn_blocking(move || script.output());
    let output = patiently("the script", run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "as it has to be\n", "{said}\n{}", service.log());
    service.run(&["down"]).await;
    assert_eq!(service.ends().await, Some(0));
}
