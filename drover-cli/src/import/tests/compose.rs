use super::{ForeignFormat::Compose, imported, refused};

const FILE: &str = r#"name: shop
x-env: &env
  LOG: info
services:
  web:
    image: shop/web
    entrypoint: ["/srv/web"]
    command: serve --name "a b" $$5
    environment:
      <<: *env
      PORT: 80
      EMPTY:
    env_file:
      - web.env
      - path: ./local.env
        required: false
    working_dir: /srv
    user: "1000:1000"
    depends_on:
      cache:
        condition: service_healthy
      migrate:
        condition: service_completed_successfully
      db:
        condition: service_started
    deploy:
      replicas: 3
      restart_policy: { condition: on-failure, delay: 5s, max_attempts: 4, window: 120s }
      update_config: { order: start-first, parallelism: 2, failure_action: rollback, monitor: 10s, delay: 3s }
      resources: { limits: { cpus: "1" } }
    stop_grace_period: 1m30s
    stop_signal: SIGQUIT
    ulimits:
      nofile: { soft: 1024, hard: 65536 }
      memlock: -1
    healthcheck:
      test: ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]
      interval: 10s
      timeout: 2s
      retries: 5
      start_period: 40s
    ports: ["80:80"]
    volumes: [data:/data]
    networks: [front]
  cache:
    command: ["redis-server", "--port", "${PORT:-6379}"]
    restart: unless-stopped
    environment: [A=b=c, INHERITED]
  migrate:
    command: ./migrate
    restart: always
  db:
    image: postgres
volumes:
  data:
"#;

#[test]
fn each_service_with_a_command_is_an_app() {
    let made = imported(Compose, &[("compose.yaml", FILE)]);
    made.has(&[
        r#"name = "shop""#,
        r#"shutdown_timeout = "100s""#,
        "[app.web]",
        r#"command = ["/srv/web", "serve", "--name", "a b", "$5"]"#,
        r#"LOG = "info""#,
        r#"PORT = "80""#,
        r#"env_file = ["web.env", "./local.env"]"#,
        r#"cwd = "/srv""#,
        r#"user = "1000""#,
        r#"group = "1000""#,
        r#"depends_on.cache = "ready""#,
        r#"depends_on.migrate = "completed""#,
        "workers = 3",
        r#"restart.policy = "on-failure""#,
        r#"restart.backoff.max = "5s""#,
        "restart.limit.count = 4",
        r#"restart.reset_after = "2m""#,
        r#"update.order = "start-first""#,
        "update.max_surge = 2",
        r#"update.on_failure = "rollback""#,
        r#"update.soak = "10s""#,
        r#"stop.drain_timeout = "90s""#,
        r#"stop.signal = "QUIT""#,
        "limits.nofile = { soft = 1024, hard = 65536 }",
        r#"limits.memlock = "unlimited""#,
        r#"health.readiness.exec = ["sh", "-c", "curl -f http://localhost/ || exit 1"]"#,
        r#"health.readiness.interval = "10s""#,
        "health.readiness.failures = 5",
        r#"start.timeout = "100s""#,
        r#"command = ["redis-server", "--port", "6379"]"#,
        r#"restart.policy = "always""#,
        r#"A = "b=c""#,
        r#"stop.drain_timeout = "10s""#,
        r#"kind = "oneshot""#,
    ]);
    assert!(!made.toml.contains("[app.db]") && !made.toml.contains("EMPTY"), "{}", made.toml);
    made.lost(&[
        "46 $PORT",
        "54 volumes",
        "52 service db",
        "6 image",
        "15 env_file.required",
        "29 deploy.update_config.delay",
        "30 deploy.resources",
        "42 ports",
        "43 volumes",
        "44 networks",
        "24 depends on db",
    ]);
}

#[test]
fn nonsense_is_told_with_its_line() {
    let of = |key: &str| refused(Compose, "c.yml", &format!("services:\n  a:\n    command: x\n    {key}\n"));
    for (key, sentence) in [
        (
            "restart: perhaps",
            "c.yml:4: `restart` is no, always, unless-stopped or on-failure, and not `perhaps`",
        ),
        (
            "restart: on-failure:many",
            "c.yml:4: `restart` is on-failure with a number, as on-failure:3, and not `on-failure:many`",
        ),
        ("stop_grace_period: soon", "c.yml:4: `stop_grace_period` is a time such as 30s, and not `soon`"),
        (
            "stop_signal: NOW",
            "c.yml:4: `stop_signal` is the name of a signal that a program can catch, and not `NOW`",
        ),
        ("depends_on: 5", "c.yml:4: `depends_on` is a list or a table of services, and not `5`"),
        (
            "depends_on: { b: { condition: x } }",
            "c.yml:4: `condition` is service_started, service_healthy or service_completed_successfully, and not `x`",
        ),
        ("deploy: { replicas: many }", "c.yml:4: `replicas` is a number from 0 to 100000, and not `many`"),
        ("environment: 5", "c.yml:4: `environment` is a table or a list, and not a number"),
        (
            "healthcheck: { test: [curl] }",
            "c.yml:4: `test` begins with CMD, CMD-SHELL or NONE, and the command follows",
        ),
        ("ulimits: { nofile: many }", "c.yml:4: `ulimits.nofile` is a number, or `soft` and `hard`"),
        (
            "entrypoint: \"'open\"",
            "c.yml:4: `entrypoint` of service `a` is a command line or a list of words",
        ),
        ("user: ${A", "c.yml:4: `${` is not closed in `${A`"),
    ] {
        assert_eq!(of(key), sentence);
    }
    assert_eq!(
        refused(Compose, "c.yml", "services: 5\n"),
        "c.yml:1: `services` is a table of services, and not a number"
    );
    assert_eq!(
        refused(Compose, "c.yml", "services:\n  a: x\n"),
        "c.yml:2: service `a` is a table, and not a text"
    );
    assert_eq!(
        refused(Compose, "c.yml", "services:\n  a: { image: x }\n"),
        "c.yml: there is nothing to run in this compose file: no service says its command"
    );
}
