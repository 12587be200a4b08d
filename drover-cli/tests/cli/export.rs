//! `drover export`: what starts Drover somewhere else, read by what it is for where that is installed.

use std::path::Path;
use std::process::Command;

use crate::harness::{Home, skipped};

const FILE: &str = "version = 1\nsockets.http.listen = \"0.0.0.0:8080\"\n[app.web]\ncommand = \"sh\"\nsockets = [\"http\"]\n";

#[test]
fn a_unit_is_one_that_systemd_reads() {
    let home = Home::new();
    home.write("drover.toml", FILE);
    let made = home.run(&["export", "systemd", "-o", "shop.service"]);
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:#?}");
    assert!(made.stderr.contains("master.shutdown_timeout 45s + 5s = TimeoutStopSec 50s"), "{made:#?}");
    home.run(&["export", "systemd", "-o", "shop.service"]).failed(1, &["shop.service already exists"]);
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        return skipped("there is no systemd-analyze");
    };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let number: u32 =
        version.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a version");
    if number < 253 {
        // As the comment in the unit says.
        let unit = std::fs::read_to_string(home.path("shop.service")).unwrap();
        let older = "Type=notify\nExecReload=/bin/kill -HUP $MAINPID\n";
        home.write("shop.service", &unit.replace("Type=notify-reload\n", older));
    }
    let Ok(verified) = Command::new("systemd-analyze").arg("verify").arg(home.path("shop.service")).output()
    else {
        return skipped("there is no systemd-analyze");
    };
    let told = String::from_utf8_lossy(&verified.stderr).into_owned();
    // It reads every unit of the machine along; only what it says of this one counts.
    assert!(!told.contains("shop.service"), "{told}");
}

#[test]
fn a_compose_file_and_a_deployment_are_valid_where_that_can_be_asked() {
    let home = Home::new();
    home.write("drover.toml", FILE);
    let nameless = home.run(&["export", "compose"]);
    assert!(nameless.code == Some(2) && nameless.stderr.contains("--image <IMAGE>"), "{nameless:#?}");
    for (target, file) in [("compose", "compose.yaml"), ("swarm", "stack.yaml"), ("kubernetes", "shop.yaml")]
    {
        let made = home.run(&["export", target, "--image", "shop:1", "--replicas", "2", "-o", file]);
        assert_eq!(made.code, Some(0), "{made:#?}");
        let text = std::fs::read_to_string(home.path(file)).unwrap();
        let header =
            format!("# Made by `drover export {target} -f drover.toml --image shop:1 --replicas 2`.\n");
        assert!(text.starts_with(&header), "{text}");
    }
    let readers: [&[&str]; 3] = [
        &["docker-compose", "-f", "compose.yaml", "config", "-q"],
        // The same format; what Swarm makes of it, tests/engines/swarm.sh shows.
        &["docker-compose", "-f", "stack.yaml", "config", "-q"],
        &["kubernetes-validate", "--strict", "shop.yaml"],
    ];
    for reader in readers {
        match Command::new(reader[0]).args(&reader[1..]).current_dir(home.dir()).output() {
            Ok(read) => assert!(read.status.success(), "{reader:?}: {read:?}"),
            Err(_) => {
                // The gate installs it.
                assert!(std::env::var_os("CI").is_none(), "there is no {}", reader[0]);
                skipped(&format!("there is no {}", reader[0]));
            }
        }
    }
}

#[test]
fn a_file_with_mistakes_is_refused_with_all_of_them() {
    let home = Home::new();
    home.write("drover.toml", "version = 2\n[app.web]\n");
    let ended = home.run(&["export", "systemd", "-o", "shop.service"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("2 mistakes in drover.toml"), "{}", ended.stderr);
    assert!(!home.path("shop.service").exists());
}

#[test]
fn strict_refuses_what_has_a_warning_and_json_tells_it() {
    let home = Home::new();
    home.write("drover.toml", FILE);
    let words = ["export", "kubernetes", "--image", "shop:1", "--json"];
    let told = home.run(&words);
    assert_eq!(told.code, Some(0), "{told:#?}");
    let warning = "app `web` serves on for 0s once its pod is told to end";
    assert!(told.stderr.contains(&format!("drover: warning: {warning}")), "{told:#?}");
    let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(json["warnings"][0]["key"], "app.web.stop.pre_delay");
    let refused = home.run(&[&words[..], &["--strict", "-o", "shop.yaml"]].concat());
    assert!(refused.code == Some(1) && !home.path("shop.yaml").exists(), "{refused:#?}");
    assert!(refused.stderr.contains("1 warning, so nothing was written (--strict)"), "{refused:#?}");
    let json: serde_json::Value = serde_json::from_str(&refused.stdout).unwrap();
    assert!(json["text"].is_null() && json["warnings"][0]["text"].as_str().unwrap().starts_with(warning));
    home.write("drover.toml", &format!("{FILE}stop.pre_delay = \"5s\"\n"));
    let quiet = home.run(&["-q", "export", "kubernetes", "--image", "shop:1", "--strict", "-o", "shop.yaml"]);
    assert_eq!((quiet.code, quiet.stderr.as_str(), quiet.stdout.as_str()), (Some(0), "", ""));
    home.run(&["export", "compose", "--image", "Shop:1"]).failed(2, &["--image: `Shop:1` has capitals"]);
    let odd = home.run(&["export", "systemd", "--replicas", "2"]);
    assert!(odd.code == Some(2) && odd.stderr.contains("export systemd takes no --replicas"), "{odd:#?}");
}

/// Podman reads Kubernetes YAML, though not all of it: docs/engines.md has what it honours.
#[test]
fn podman_runs_the_deployment() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/engines/podman.sh");
    let ran = Command::new("bash").arg(&script).arg(env!("CARGO_BIN_EXE_drover")).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    match ran.status.code() {
        // It says what it lacks: rights, or an installation, which the gate sees to.
        Some(77) => skipped(told.trim()),
        Some(78) if std::env::var_os("CI").is_none() => skipped(told.trim()),
        code => assert!(code == Some(0) && told.contains(", 0 lost"), "{code:?}: {told}"),
    }
}
