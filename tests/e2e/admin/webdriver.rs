//! Debian's Chromium, driven by its own driver over WebDriver (W3C Recommendation, 2018).

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PATIENCE, ask, end, program, until};

/// A browser with one page. Dropped, it is closed with its driver.
#[derive(Debug)]
pub(super) struct Browser {
    driver: Child,
    addr: String,
    session: String,
    _dir: TempDir,
}

impl Browser {
    /// Opens a page in a window of this width.
    pub(super) fn open(url: &str, width: u32) -> Option<Self> {
        let (chromium, chromedriver) = (program("chromium")?, program("chromedriver")?);
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let file = File::create(&log).unwrap();
        let mut command = Command::new(chromedriver);
        command.arg("--port=0").env("HOME", dir.path()).stdin(Stdio::null());
        let driver = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let mut browser = Self { driver, addr: String::new(), session: String::new(), _dir: dir };
        browser.addr = until("the driver", || {
            let text = fs::read_to_string(&log).ok()?;
            let (_, after) = text.split_once("started successfully on port ")?;
            Some(format!("127.0.0.1:{}", after.split_once('.')?.0))
        });
        let args = [
            "--headless=new".to_owned(),
            // As root, and in a container, there are no namespaces and little shared memory available.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            format!("--user-data-dir={}", browser._dir.path().join("profile").display()),
            format!("--window-size={width},900"),
        ];
        let options = json!({ "binary": chromium, "args": args });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let session = browser.post("/session", &wanted);
        session["sessionId"].as_str().unwrap_or_else(|| panic!("{session}")).clone_into(&mut browser.session);
        browser.post(&browser.of_session("url"), &json!({ "url": url }));
        Some(browser)
    }

    fn of_session(&self, what: &str) -> String {
        format!("/session/{}/{what}", self.session)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = ask(&self.addr, &format!("POST {path}"), &body.to_string());
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer["value"].clone()
    }

    /// What a piece of JavaScript returns.
    pub(super) fn run(&self, script: &str) -> Value {
        self.post(&self.of_session("execute/sync"), &json!({ "script": script, "args": [] }))
    }

    /// Waits until a JavaScript expression is true.
    pub(super) fn until(&self, expression: &str) {
        until(expression, || (self.run(&format!("return Boolean({expression})")) == true).then_some(()));
    }

    /// Clicks on what a selector finds and whose text begins so.
    pub(super) fn click(&self, selector: &str, text: &str) {
        let found = format!(
            "[...document.querySelectorAll({selector:?})].find(node => node.textContent.startsWith({text:?}))"
        );
        self.until(&found);
        self.run(&format!("{found}.click()"));
    }

    /// What the browser complained about: an error of the page, or what its policy forbade.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.post(&self.of_session("se/log"), &json!({ "type": "browser" }));
        let severe = log.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE");
        severe.map(|line| line["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            ask(&self.addr, &format!("DELETE /session/{}", self.session), "");
        }
        end(&mut self.driver, PATIENCE);
    }
}
