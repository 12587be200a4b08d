//! The page in a real browser.

use std::fs;
use std::process::{Child, Command, Stdio};

use super::webdriver::Browser;
use super::{PATIENCE, Site, TOKEN, ask, end, get, program, until};

#[test]
fn a_reload_is_started_and_watched_and_a_log_is_searched() {
    let site = Site::new();
    let Some(browser) = Browser::open(&format!("http://{}/", site.addr), 1200) else { return };
    browser.until("document.querySelector('.app')?.textContent.includes('2 of 2 ready')");
    // What was printed is text, whatever it looks like.
    browser.until("document.getElementById('lines').textContent.includes('<img src=x')");
    assert_eq!(browser.run("return document.querySelectorAll('#lines img').length"), 0);

    // A search marks what it finds; only what it finds stays if that is asked for.
    browser.run("const find = document.getElementById('find'); find.value = 'so l.ng'; find.oninput();");
    browser.until("document.querySelectorAll('mark').length === 2");
    browser.click("#only", "Only matches");
    browser.until("[...document.querySelectorAll('#lines .out:not(.hidden)')].every(line => line.textContent.includes('so long'))");
    browser.run("const find = document.getElementById('find'); find.value = '('; find.oninput();");
    assert_eq!(browser.run("return document.getElementById('find').checkValidity()"), false);

    // Nothing can be changed before the token is there.
    assert_eq!(browser.run("return document.querySelectorAll('.app .head button').length"), 0);
    browser.click("#key", "Unlock");
    browser.run(&format!("document.getElementById('answer').value = {TOKEN:?}"));
    browser.click("#yes", "Yes");
    browser.click(".app button", "Reload");
    browser.until("document.getElementById('command').textContent === 'drover reload web'");
    browser.click("#yes", "Yes");
    browser.until("document.querySelector('.app').textContent.includes('generation 2')");
    browser.until("document.getElementById('lines').textContent.includes('reload started')");
    browser.until("document.getElementById('lines').textContent.includes('reload web: done')");
    assert_eq!(site.app()["generation"], 2);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_link_to_a_worker_shows_its_lines_also_on_a_phone_and_below_a_path() {
    let site = Site::new();
    let Some(nginx) = Nginx::before(&site) else { return };
    let Some(browser) = Browser::open(&format!("http://{}/ops/drover/#web%2F1", nginx.addr), 360) else {
        return;
    };
    browser.until("document.getElementById('scope').textContent === 'web/1'");
    browser.until("document.querySelectorAll('#lines .out').length === 2");
    browser.until("document.querySelector('tr.here').textContent.includes('web/1')");
    browser.until("document.getElementById('link').textContent === 'live'");
    // No part of the page is wider than the screen.
    let is_narrow = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(browser.run(is_narrow), true);
    assert_eq!(browser.complaints(), [""; 0]);
}

/// nginx that makes a master known below a path.
struct Nginx {
    child: Child,
    addr: String,
}

impl Nginx {
    fn before(site: &Site) -> Option<Self> {
        let binary = program("nginx")?;
        let (socket, dir) = (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), site.path(""));
        let addr = socket.local_addr().unwrap().to_string();
        // It can't be handed over, so it is given back just before nginx takes it.
        drop(socket);
        let config = format!(
            "daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.log;\nevents {{}}\nhttp {{ access_log off; \
             client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             server {{ listen {addr}; location /ops/drover/ {{ proxy_pass http://{site}/; proxy_buffering off; proxy_http_version 1.1; }} }} }}\n",
            dir = dir.display(),
            site = site.addr,
        );
        fs::write(site.path("nginx.conf"), config).unwrap();
        let mut command = Command::new(binary);
        command.arg("-c").arg(site.path("nginx.conf")).arg("-p").arg(&dir).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let nginx = Self { child, addr };
        until("nginx", || (get(&nginx.addr, "/ops/drover/livez").0 == 200).then_some(()));
        // A page from elsewhere is refused behind it, too.
        let foreign = "GET /ops/drover/api/status\nOrigin: http://evil.example.org\r\n";
        assert_eq!(ask(&nginx.addr, foreign, "").0, 403);
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        end(&mut self.child, PATIENCE);
    }
}
