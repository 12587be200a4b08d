//! Who a worker runs as: user, group and supplementary groups, looked up before any fork.
//!
//! The lookup may ask a directory service through the C library, which takes locks and allocates; after a fork nothing of
//! that is allowed.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use crate::config::{Account, AccountError, AppSpec, Command, ConfigError, Login};

/// Shells that let nobody in: `SHELL` is not set to one of them.
const NO_SHELLS: [&str; 8] = [
    "",
    "/bin/nologin",
    "/sbin/nologin",
    "/usr/bin/nologin",
    "/usr/sbin/nologin",
    "/bin/false",
    "/usr/bin/false",
    "/dev/null",
];

/// Who the master is.
#[derive(Debug, Clone, Copy)]
struct MasterUser {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Who the workers of a command run as; none if it does not say.
    pub(crate) fn of(command: &Command) -> Result<Option<Self>, AccountError> {
        if command.user.is_none() && command.group.is_none() {
            return Ok(None);
        }
        let own = MasterUser { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        resolve(own, command.user.as_deref(), command.group.as_deref())
    }
}

impl AppSpec {
    /// Checks every value, and looks up the user and the group of the command.
    ///
    /// # Errors
    ///
    /// The first [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_values()?;
        self.account().map(drop)
    }

    /// Checks every value, and keeps who the user and the group of the command are, unless that is known.
    pub(crate) fn resolve(&mut self) -> Result<(), ConfigError> {
        self.check_values()?;
        if self.command.account.is_none() {
            self.look_up_account()?;
        }
        Ok(())
    }

    /// Keeps who the user and the group of the command are. It may wait for a network.
    pub(crate) fn look_up_account(&mut self) -> Result<(), ConfigError> {
        self.command.account = self.account()?;
        Ok(())
    }

    fn account(&self) -> Result<Option<Account>, ConfigError> {
        Account::of(&self.command).map_err(|fault| ConfigError::Account { app: self.name.clone(), fault })
    }
}

fn resolve(
    own: MasterUser,
    user: Option<&str>,
    group: Option<&str>,
) -> Result<Option<Account>, AccountError> {
    let gid = group.map(find_group).transpose()?;
    let account = match (user, gid) {
        (None, None) => return Ok(None),
        (None, Some(gid)) => Account { uid: own.uid, gid, groups: vec![gid], is_another: true, login: None },
        (Some(name), gid) => match find_user(name)? {
            FoundUser::Entry(user) => {
                let gid = gid.unwrap_or(user.gid.as_raw());
                let groups = groups_of(&user.name, gid)?;
                let login = Some(login(user.name, user.dir, user.shell));
                Account { uid: user.uid.as_raw(), gid, groups, is_another: true, login }
            }
            FoundUser::Bare(uid) => {
                let gid = gid.ok_or(AccountError::GroupUnknown { uid })?;
                Account { uid, gid, groups: vec![gid], is_another: true, login: Some(Login::default()) }
            }
        },
    };
    if own.uid == 0 {
        return Ok(Some(account));
    }
    // An ordinary user can be nobody but itself, and keeps the supplementary groups that it has.
    if (account.uid, account.gid) == (own.uid, own.gid) {
        return Ok(Some(Account { is_another: false, ..account }));
    }
    Err(AccountError::NotRoot { wanted: account.to_string(), own: own.uid })
}

/// A user of the database, or an id that is not in it.
enum FoundUser {
    Entry(User),
    Bare(u32),
}

#[expect(clippy::disallowed_methods, reason = "before the runtime is there, or on a thread that may wait")]
fn find_user(name: &str) -> Result<FoundUser, AccountError> {
    let failed = |errno: Errno| AccountError::Lookup { name: name.to_owned(), errno: errno as i32 };
    match id(name)? {
        Some(uid) => {
            let found = entry(User::from_uid(Uid::from_raw(uid))).map_err(failed)?;
            Ok(found.map_or(FoundUser::Bare(uid), FoundUser::Entry))
        }
        None => {
            let found = if usable(name) { entry(User::from_name(name)).map_err(failed)? } else { None };
            found.map(FoundUser::Entry).ok_or_else(|| AccountError::NoUser { user: name.to_owned() })
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "before the runtime is there, or on a thread that may wait")]
fn find_group(name: &str) -> Result<u32, AccountError> {
    let failed = |errno: Errno| AccountError::Lookup { name: name.to_owned(), errno: errno as i32 };
    if let Some(gid) = id(name)? {
        return Ok(gid);
    }
    let found = if usable(name) { entry(Group::from_name(name)).map_err(failed)? } else { None };
    found.map(|group| group.gid.as_raw()).ok_or_else(|| AccountError::NoGroup { group: name.to_owned() })
}

/// What the database says of a name or an id. One that is not there, as in an image without `/etc/passwd`, knows nobody (`getpwnam(3)`).
fn entry<T>(found: Result<Option<T>, Errno>) -> Result<Option<T>, Errno> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
        found => found,
    }
}

/// A name that can be asked for: what has a NUL in it is nobody's.
fn usable(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0')
}

/// The id that digits mean; none for a name. All ones means "no change" to the kernel (`setresuid(2)`), so it is not an id.
fn id(text: &str) -> Result<Option<u32>, AccountError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id != u32::MAX => Ok(Some(id)),
        _ => Err(AccountError::NoId { id: text.to_owned() }),
    }
}

/// The groups that a login gives, `gid` among them (`getgrouplist(3)`).
#[expect(clippy::disallowed_methods, reason = "before the runtime is there, or on a thread that may wait")]
fn groups_of(name: &str, gid: u32) -> Result<Vec<u32>, AccountError> {
    let failed = |errno: Errno| AccountError::Lookup { name: name.to_owned(), errno: errno as i32 };
    let c_name = CString::new(name).map_err(|_| failed(Errno::EINVAL))?;
    let groups = getgrouplist(&c_name, Gid::from_raw(gid)).map_err(failed)?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

fn login(name: String, home: PathBuf, shell: PathBuf) -> Login {
    let tells = |path: &Path| path.is_absolute() && path != Path::new("/");
    Login {
        name: Some(name),
        home: Some(home).filter(|home| tells(home)),
        shell: Some(shell).filter(|shell| !NO_SHELLS.iter().any(|none| shell == Path::new(none))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: MasterUser = MasterUser { uid: 0, gid: 0 };
    /// No host has a user with this id.
    const STRANGER: MasterUser = MasterUser { uid: 3_999_999_999, gid: 3_999_999_999 };

    fn told(own: MasterUser, user: Option<&str>, group: Option<&str>) -> String {
        resolve(own, user, group).unwrap_err().to_string()
    }

    #[test]
    fn a_name_and_its_number_are_the_same_user_with_all_its_groups() {
        let by_name = resolve(ROOT, Some("root"), None).unwrap().unwrap();
        assert_eq!(resolve(ROOT, Some("0"), None).unwrap().as_ref(), Some(&by_name));
        assert_eq!((by_name.uid, by_name.gid, by_name.is_another), (0, 0, true));
        assert!(by_name.groups.contains(&0));
        assert_eq!(by_name.login.unwrap().name.as_deref(), Some("root"));
        assert_eq!(resolve(ROOT, None, None), Ok(None));
    }

    #[test]
    fn a_database_that_is_not_there_knows_nobody_and_one_that_fails_is_told() {
        for (errno, expected) in [
            (Errno::ENOENT, Ok(None)),
            (Errno::ESRCH, Ok(None)),
            (Errno::EIO, Err(Errno::EIO)),
            (Errno::EMFILE, Err(Errno::EMFILE)),
        ] {
            assert_eq!(entry::<u32>(Err(errno)), expected);
        }
        assert_eq!(entry(Ok(Some(7))), Ok(Some(7)));
    }

    #[test]
    fn a_group_takes_the_place_of_the_users_own() {
        let account = resolve(ROOT, Some("root"), Some("4711")).unwrap().unwrap();
        assert_eq!((account.uid, account.gid), (0, 4711));
        assert!(account.groups.contains(&4711));
        let alone = resolve(ROOT, None, Some("4711")).unwrap().unwrap();
        assert_eq!((alone.uid, alone.groups, alone.login), (0, vec![4711], None));
    }

    #[test]
    fn who_is_not_there_is_told_with_what_to_do() {
        for (user, group, expected) in [
            (Some("no-such-user"), None, "there is no user `no-such-user`; create it"),
            (Some(""), None, "there is no user ``"),
            (Some("a\0b"), None, "there is no user"),
            (None, Some("no-such-group"), "there is no group `no-such-group`; create it"),
            (Some("4294967295"), None, "`4294967295` is not a user or group id"),
            (None, Some("99999999999"), "`99999999999` is not a user or group id"),
            (Some("3999999999"), None, "user 3999999999 has no entry"),
        ] {
            let told = told(ROOT, user, group);
            assert!(told.starts_with(expected), "{told}");
        }
        let bare = resolve(ROOT, Some("3999999999"), Some("7")).unwrap().unwrap();
        assert_eq!((bare.uid, bare.gid, bare.groups), (3_999_999_999, 7, vec![7]));
    }

    #[test]
    fn an_ordinary_user_can_be_nobody_but_itself() {
        let told = told(STRANGER, Some("root"), None);
        assert!(told.starts_with("only root can run workers as user `root` (0), group 0"), "{told}");
        assert!(told.contains("the master runs as user 3999999999"), "{told}");
        assert!(resolve(STRANGER, None, Some("0")).is_err());
        let itself = resolve(STRANGER, Some("3999999999"), Some("3999999999")).unwrap().unwrap();
        assert!(!itself.is_another);
    }

    #[test]
    fn a_home_and_a_shell_that_tell_nothing_are_left_out() {
        let account = |home: &str, shell: &str| login("x".into(), home.into(), shell.into());
        let full = account("/home/x", "/bin/sh");
        assert_eq!((full.home, full.shell), (Some("/home/x".into()), Some("/bin/sh".into())));
        let bare = account("/", "/usr/sbin/nologin");
        assert_eq!((bare.home, bare.shell), (None, None));
    }
}
