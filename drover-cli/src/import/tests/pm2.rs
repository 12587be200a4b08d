use super::{ForeignFormat::Pm2, imported, refused};

const FILE: &str = r#"// what runs
module.exports = {
  apps: [
    {
      name: 'web',
      script: './app.js',
      args: ['--port', '1'],
      node_args: '--max-old-space-size=512 --trace-warnings',
      cwd: '/srv/shop',
      instances: 'max',
      exec_mode: 'cluster',
      max_memory_restart: '512M',
      kill_timeout: 20000,
      listen_timeout: 8000,
      wait_ready: true,
      max_restarts: 5,
      min_uptime: '10s',
      exp_backoff_restart_delay: 100,
      env: { NODE_ENV: 'development', PORT: 3000, DEBUG: true, },
      env_production: { NODE_ENV: 'production' },
      increment_var: 'PORT',
      watch: ['src', 'lib'],
      ignore_watch: ['node_modules', '*.md'],
      watch_delay: 500,
      out_file: 'logs/out.log',
      error_file: 'logs/err.log',
      log_date_format: 'YYYY',
      uid: 'shop',
      gid: 1000,
      vizion: false,
    },
    {
      script: 'jobs/clean.py',
      autorestart: false,
      cron_restart: '0 3 * * *',
      interpreter: '/usr/bin/python3',
    },
    { name: 'shop mail', script: 'npm run mail', restart_delay: 3000, instances: -1, cron_restart: '@daily', watch: true, stop_exit_codes: [3] },
  ],
  deploy: {},
};
"#;

#[test]
fn each_app_of_an_ecosystem_file_is_an_app() {
    let made = imported(Pm2, &[("ecosystem.config.js", FILE)]);
    made.has(&[
        "[app.web]",
        r#"command = ["node", "--max-old-space-size=512", "--trace-warnings", "./app.js", "--port", "1"]"#,
        r#"cwd = "/srv/shop""#,
        r#"workers = "auto""#,
        r#"recycle.rss = "512MiB""#,
        r#"stop.signal = "INT""#,
        r#"stop.drain_timeout = "20s""#,
        r#"start.timeout = "8s""#,
        "restart.limit.count = 5",
        r#"restart.reset_after = "10s""#,
        r#"restart.backoff.initial = "100ms""#,
        r#"restart.backoff.max = "15s""#,
        "restart.backoff.factor = 1.5",
        r#"NODE_ENV = "development""#,
        r#"PORT = "{3000+slot}""#,
        r#"DEBUG = "true""#,
        r#"NODE_APP_INSTANCE = "{slot}""#,
        "[profiles.production.app.web.env]",
        r#"NODE_ENV = "production""#,
        r#"watch.paths = ["/srv/shop/src", "/srv/shop/lib"]"#,
        r#"watch.ignore = ["node_modules", "*.md"]"#,
        r#"watch.debounce = "500ms""#,
        r#"logs.dir = "/srv/shop/logs""#,
        "logs.timestamps = true",
        r#"user = "shop""#,
        r#"group = "1000""#,
        "[app.clean]",
        r#"command = ["/usr/bin/python3", "jobs/clean.py"]"#,
        r#"kind = "cron""#,
        r#"schedule = "0 3 * * *""#,
        "[app.shop-mail]",
        "# it was called `shop mail`",
        r#"command = ["npm", "run", "mail"]"#,
        r#"restart.backoff.max = "3s""#,
        "watch = true",
        "restart.success_codes = [0, 3]",
    ]);
    made.lost(&[
        "40 deploy",
        "11 exec_mode",
        "15 wait_ready",
        "30 vizion",
        "25 out_file",
        "26 error_file",
        "38 instances",
        "38 cron_restart",
    ]);
}

#[test]
fn json_and_yaml_say_the_same() {
    let yaml = imported(
        Pm2,
        &[("e.yml", "apps:\n  - script: server.js\n    name: web\n    instances: 4\n    env:\n      A: 1\n")],
    );
    let json = imported(
        Pm2,
        &[(
            "e.json",
            r#"{"apps": [{"script": "server.js", "name": "web", "instances": 4, "env": {"A": 1}}]}"#,
        )],
    );
    let one = imported(
        Pm2,
        &[("e.json", r#"{"script": "server.js", "name": "web", "instances": "4", "env": {"A": "1"}}"#)],
    );
    assert_eq!(yaml.toml, json.toml);
    assert_eq!(yaml.toml, one.toml);
    yaml.has(&["workers = 4", r#"A = "1""#]);
    yaml.lost(&[]);
}

#[test]
fn nonsense_is_told_with_its_line() {
    let of =
        |key: &str| refused(Pm2, "e.json", &format!("{{\"apps\": [{{\"script\": \"a.js\",\n{key} }}]}}"));
    for (key, sentence) in [
        (r#""instances": "many""#, "e.json:2: `instances` is a number, `max`, 0 or -1, and not `many`"),
        (r#""instances": {}"#, "e.json:2: `instances` is a text, and not a table"),
        (r#""kill_timeout": "soon""#, "e.json:2: `kill_timeout` is a time in ms, and not `soon`"),
        (
            r#""max_memory_restart": "lots""#,
            "e.json:2: `max_memory_restart` is a size such as 300M, and not `lots`",
        ),
        (r#""exec_mode": "swarm""#, "e.json:2: `exec_mode` is fork or cluster, and not `swarm`"),
        (r#""env": 5"#, "e.json:2: `env` is a table of variables, and not a number"),
        (r#""env": {"A": []}"#, "e.json:2: `env.A` is a text or a number, and not a list"),
        (r#""args": {}"#, "e.json:2: `args` is a text or a list of texts"),
        (r#""autorestart": 7"#, "e.json:2: `autorestart` is true or false, and not `7`"),
    ] {
        assert_eq!(of(key), sentence);
    }
    assert_eq!(
        refused(Pm2, "e.json", "{\"apps\": [\n{\"name\": \"a\"}]}"),
        "e.json:2: an app has no `script`"
    );
    assert_eq!(
        refused(Pm2, "e.json", "{\"apps\": [\n7]}"),
        "e.json:2: an app is a table with a `script`, and not a number"
    );
    assert_eq!(
        refused(Pm2, "e.json", "{\"apps\": []}"),
        "e.json: there is nothing to run in this ecosystem file"
    );
}
