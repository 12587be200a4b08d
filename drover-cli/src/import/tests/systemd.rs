use super::{ForeignFormat::Systemd, imported, refused};

const WEB: &str = r#"[Unit]
Description=The shop
After=network.target network-online.target db.service migrate.service
Requires=db.service
StartLimitBurst=4
StartLimitIntervalSec=1min

[Service]
Type=notify
ExecStart=/srv/shop/web --name %N --limit 100%% \
    --home "${HOME_DIR}" $OPTIONS 'a b' $$1
ExecStartPre=/bin/true
ExecReload=/bin/kill -HUP $MAINPID
User=shop
Group=www
WorkingDirectory=/srv/shop
Environment="A=b c" D=e
EnvironmentFile=/etc/shop.env
EnvironmentFile=-/etc/shop.local
Restart=on-failure
RestartSec=500ms
SuccessExitStatus=3 SIGUSR1
RestartPreventExitStatus=78
TimeoutStartSec=90
TimeoutStopSec=1min 30s
KillSignal=SIGQUIT
KillMode=mixed
LimitNOFILE=1024:65536
LimitCORE=infinity
LimitMEMLOCK=64M
LimitCPU=90min
Nice=-5
OOMScoreAdjust=-100
WatchdogSec=30s
UMask=0027
StandardOutput=journal
ProtectSystem=strict
NoNewPrivileges=yes
MemoryMax=1G

[Install]
WantedBy=multi-user.target
"#;

const DB: &str = "[Service]\nExecStart=/bin/db\nRestart=always\nExecReload=/bin/db-ctl reload\nBogus=1\n";

const MIGRATE: &str = "[Unit]\nBefore=db.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=-/bin/a 'x y'\nExecStart=/bin/b\n";

#[test]
fn each_unit_is_an_app_and_waits_for_the_others() {
    let made = imported(
        Systemd,
        &[("/etc/systemd/system/web.service", WEB), ("db.service", DB), ("migrate.service", MIGRATE)],
    );
    made.has(&[
        "# The shop",
        "[app.web]",
        r#"command = ["sh", "-c", '''exec /srv/shop/web --name web --limit '100%' --home "${HOME_DIR}" $OPTIONS 'a b' "\$1"''']"#,
        r#"protocol = "notify""#,
        r#"reload.signal = "HUP""#,
        "reload.wait = false",
        r#"user = "shop""#,
        r#"group = "www""#,
        r#"cwd = "/srv/shop""#,
        r#"A = "b c""#,
        r#"D = "e""#,
        r#"env_file = ["/etc/shop.env", "/etc/shop.local"]"#,
        r#"restart.policy = "on-failure""#,
        r#"restart.backoff.initial = "500ms""#,
        r#"restart.backoff.max = "500ms""#,
        "restart.backoff.factor = 1.0",
        "restart.success_codes = [0, 3]",
        "restart.fatal_codes = [78]",
        "restart.limit.count = 4",
        r#"restart.limit.within = "1m""#,
        r#"start.timeout = "90s""#,
        r#"stop.drain_timeout = "90s""#,
        r#"shutdown_timeout = "100s""#,
        r#"stop.signal = "QUIT""#,
        r#"stop.to = "process""#,
        "limits.nofile = { soft = 1024, hard = 65536 }",
        r#"limits.core = "unlimited""#,
        r#"limits.memlock = "64MiB""#,
        r#"limits.cpu = "90m""#,
        "limits.nice = -5",
        "limits.oom_score_adj = -100",
        r#"watchdog = "30s""#,
        r#"umask = "0027""#,
        r#"depends_on.db = "ready""#,
        r#"depends_on.migrate = "completed""#,
        r#"command = ["/bin/db"]"#,
        r#"stop.to = "group""#,
        r#"cwd = "/""#,
        r#"command = ["sh", "-c", "/bin/a 'x y' || true && exec /bin/b"]"#,
        r#"kind = "oneshot""#,
    ]);
    made.lost(&[
        "3 After=network-online.target",
        "12 ExecStartPre",
        "19 EnvironmentFile",
        "22 SuccessExitStatus",
        "37 ProtectSystem",
        "38 NoNewPrivileges",
        "39 MemoryMax",
        "4 ExecReload",
        "5 Bogus",
    ]);
    // A oneshot is not to be done for ever, and the database waits for it.
    assert_eq!(made.toml.matches(r#"depends_on.migrate = "completed""#).count(), 2, "{}", made.toml);
}

#[test]
fn a_plain_command_needs_no_shell() {
    let made = imported(
        Systemd,
        &[(
            "a@7.service",
            "[Service]\nExecStart=@/bin/a a --id=%i $$5\nType=exec\n[Install]\nAlias=b.service\n",
        )],
    );
    made.has(&["[app.a-7]", r#"command = ["/bin/a", "--id=7", "$5"]"#, r#"restart.policy = "never""#]);
    made.lost(&["2 ExecStart=@", "5 Alias"]);
}

#[test]
fn nonsense_is_told_with_its_line() {
    let of = |line: &str| refused(Systemd, "a.service", &format!("[Service]\nExecStart=/bin/a\n{line}\n"));
    for (line, sentence) in [
        (
            "Type=magic",
            "a.service:3: `Type` is simple, exec, notify, oneshot or another type of systemd, and not `magic`",
        ),
        (
            "Restart=perhaps",
            "a.service:3: `Restart` is no, always, on-failure or another policy of systemd, and not `perhaps`",
        ),
        ("RestartSec=soon", "a.service:3: `RestartSec` is a time such as 30s, and not `soon`"),
        (
            "LimitNOFILE=many",
            "a.service:3: `LimitNOFILE` is a limit, `infinity`, or SOFT:HARD, and not `many`",
        ),
        ("Nice=99", "a.service:3: `Nice` is a number from -20 to 19, and not `99`"),
        (
            "KillSignal=NOW",
            "a.service:3: `KillSignal` is the name of a signal that a program can catch, and not `NOW`",
        ),
        (
            "Environment=A",
            "a.service:3: `Environment` is KEY=VALUE, in quotes where there are blanks, and not `A`",
        ),
        ("ExecStart='open", "a.service:3: `ExecStart` is not a command: is a quote left open?"),
        ("words", "a.service:3: `words` is neither `KEY=VALUE` nor a section"),
        ("Nice=1 \\", "a.service:3: goes on behind its `\\`, and the file ends there"),
    ] {
        assert_eq!(of(line), sentence);
    }
    assert_eq!(
        refused(Systemd, "a.service", "ExecStart=/bin/a\n"),
        "a.service:1: a key stands before the first section, such as `[Service]`"
    );
    assert_eq!(
        refused(Systemd, "a.service", "[Unit]\nDescription=x\n"),
        "a.service:1: has no `ExecStart` in a section [Service], so there is nothing to run"
    );
}
