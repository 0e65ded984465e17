//! Who uses refit.

/// Who asks: the user and the machine.
pub fn whoami() -> String {
    let named = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok().filter(|name| !name.is_empty());
    let uid = rustix::process::getuid().as_raw();
    // Services and containers often have no USER, but a line in the list of users.
    let listed = || user_of(uid, &std::fs::read_to_string("/etc/passwd").ok()?);
    let user = named.or_else(listed).unwrap_or_else(|| format!("uid-{uid}"));
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{machine}")
}

/// The name of a user in the text of a `passwd` file.
fn user_of(uid: u32, passwd: &str) -> Option<String> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|fields| fields.get(2).is_some_and(|id| id.parse() == Ok(uid))).map(|fields| fields[0].to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n";
        assert_eq!(super::user_of(1000, passwd).as_deref(), Some("deploy"));
        assert_eq!(super::user_of(7, passwd), None);
    }
}
