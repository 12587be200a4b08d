//! The keys of what a master serves over HTTP.

#[cfg(feature = "file")]
use toml_edit::{Array, value as item};

#[cfg(feature = "file")]
use super::address;
use super::form::Form;
use super::key::keys;
use super::kind::{Maybe, ValueFault, kinds};
use super::table::SubTable;
use super::text::{Address, DirectoryPath};
#[cfg(feature = "file")]
use crate::config::text::value;
use crate::config::{HttpSettings, ListenAddr};

pub(super) const HTTP: SubTable<HttpSettings> = SubTable::new(
    keys! { HttpSettings;
        "listen" (listen: LocalAddress)
            "Where: HOST:PORT with a loopback address, or unix:PATH. A proxy before it decides who else may see it.";
        "hosts" (hosts: HostNames)
            "The hosts under which a proxy makes it known, without a port; a request over TCP that names another one is refused.";
        "control_token_file" (control_token_file: Maybe(DirectoryPath))
            "The file that holds a token of 16 characters or more. Whoever shows it may start, stop, reload and scale by HTTP. Default: nobody may.";
    },
    || HttpSettings::new(ListenAddr::Tcp("127.0.0.1:9900".to_owned())),
    |http| Some(http.listen.to_string()),
)
.requiring(&[("listen", "write for example `http = { listen = \"127.0.0.1:9900\" }`")]);

/// Where to listen so that no other machine gets there.
struct LocalAddress;

/// Hosts, as in a URL.
struct HostNames;

kinds! {
    LocalAddress, ListenAddr:
    shown |addr| Some(addr.to_string());
    form |_this| Address.form();
    fault |_this, addr| (!addr.is_local()).then(|| ValueFault::new(format!(
        "is {addr}, which other machines reach; use 127.0.0.1, [::1], localhost or unix:PATH, and a proxy before it"
    )));
    read |_this, entry, mistakes| address::listen(entry, mistakes);
    write |addr| item(addr.to_string());

    HostNames, Vec<String>:
    shown |hosts| (!hosts.is_empty()).then(|| hosts.join(", "));
    form |_this| Form::Names;
    fault |_this, hosts| {
        let wrong = hosts.iter().find(|host| host.is_empty() || host.contains(['/', ' ', '@']));
        wrong.map(|host| ValueFault::new(format!("holds `{host}`, which is not a host: write it without `http://` and without a path")))
    };
    read |_this, entry, mistakes| {
        let read = value::elements(entry, mistakes, ("strings", "a string"), |host| host.as_str().map(str::to_owned));
        read.map(|hosts| hosts.into_iter().map(|(host, _)| host).collect())
    };
    write |hosts| item(Array::from_iter(hosts));
}
