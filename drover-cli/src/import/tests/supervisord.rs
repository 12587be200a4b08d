use super::{ForeignFormat::Supervisord, imported, refused};

const FILE: &str = r#"; what runs
[supervisord]
nodaemon=true

[unix_http_server]
file=/run/supervisor.sock

[program:queue]
command=/srv/shop/queue --port=80%(process_num)02d --name "%(program_name)s" 100%% ; says more
directory=/srv/shop
user=shop
numprocs=3
process_name=%(program_name)s_%(process_num)d
environment=A="b, c",
    HOME=/home/%(program_name)s
autorestart=true
startsecs=40
startretries=3
exitcodes=0,2
stopsignal=QUIT
stopwaitsecs=90
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=/var/log/shop/%(program_name)s.log
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=10
priority=20
umask=022
shiny=yes

[program:cat]
command=/bin/cat %(ENV_DIR)s/x '$HOME' "a b"
autostart=false
stopsignal=KILL
stderr_logfile=/var/log/cat.err

[group:all]
programs=queue,cat
"#;

#[test]
fn each_program_is_an_app() {
    let made = imported(Supervisord, &[("supervisord.conf", FILE)]);
    made.has(&[
        "[app.queue]",
        r#"command = ["/srv/shop/queue", "--port=80{slot}", "--name", "queue", "100%"]"#,
        "workers = 3",
        r#"restart.policy = "always""#,
        "restart.start_limit.count = 3",
        "restart.success_codes = [0, 2]",
        r#"start.min_uptime = "40s""#,
        r#"start.timeout = "70s""#,
        r#"stop.signal = "QUIT""#,
        r#"stop.drain_timeout = "90s""#,
        r#"stop.to = "group""#,
        r#"shutdown_timeout = "100s""#,
        r#"logs.dir = "/var/log/shop""#,
        r#"logs.max_size = "50MiB""#,
        "logs.keep = 10",
        r#"umask = "022""#,
        r#"cwd = "/srv/shop""#,
        r#"A = "b, c""#,
        r#"HOME = "/home/queue""#,
        r#"command = ["sh", "-c", 'exec /bin/cat "${DIR}/x" "\$HOME" "a b"']"#,
        r#"restart.policy = "on-failure""#,
        r#"stop.drain_timeout = "10s""#,
    ]);
    made.lost(&[
        "3 nodaemon",
        "5 [unix_http_server]",
        "38 [group:all]",
        "9 command",
        "28 priority",
        "30 shiny",
        "34 autostart",
        "35 stopsignal",
        "36 stderr_logfile",
    ]);
}

#[test]
fn nonsense_is_told_with_its_line() {
    let of = |lines: &str| refused(Supervisord, "s.conf", &format!("[program:a]\ncommand=x\n{lines}\n"));
    for (lines, sentence) in [
        ("numprocs=many", "s.conf:3: `numprocs` is a number from 1 to 100000, and not `many`"),
        ("stopwaitsecs=soon", "s.conf:3: `stopwaitsecs` is a number of seconds, and not `soon`"),
        ("autorestart=perhaps", "s.conf:3: `autorestart` is true, false or unexpected, and not `perhaps`"),
        ("stopsignal=NOW", "s.conf:3: `stopsignal` is the name of a signal, and not `NOW`"),
        ("exitcodes=0,x", "s.conf:3: `exitcodes` is numbers from 0 to 255, and not `0,x`"),
        ("environment=A", "s.conf:3: `environment` is KEY=\"VALUE\" with commas between, and not `A`"),
        ("words", "s.conf:3: `words` is neither `KEY = VALUE` nor a section"),
        ("[program:", "s.conf:3: a section is `[NAME]`, and this one does not end"),
        ("[program:]", "s.conf:3: a program has a name: `[program:NAME]`"),
        ("[program:b]", "s.conf:3: program `b` has no `command`"),
    ] {
        assert_eq!(of(lines), sentence);
    }
    assert_eq!(
        refused(Supervisord, "s.conf", "a=b\n"),
        "s.conf:1: a key stands before the first section, such as `[program:web]`"
    );
    assert_eq!(
        refused(Supervisord, "s.conf", "[include]\nfiles=*.ini\n"),
        "s.conf: there is nothing to run in this supervisord.conf"
    );
}
