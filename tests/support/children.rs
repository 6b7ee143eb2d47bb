//! Child processes that cannot outlive the tests, however the tests end.
//!
//! `Drop` is not enough: statics are never dropped, and a killed test process drops nothing. So each child
//! is started through util-linux's `setpriv --pdeathsig`, which asks the kernel to signal it when its parent
//! dies and then becomes the program itself (same pid, no `unsafe` here). The kernel means the parent
//! *thread*, and a test's thread ends with the test; therefore one thread that never ends starts them all.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};

use super::programs;

type Order = (Command, Sender<std::io::Result<Child>>);

/// Starts `program` with `arguments`, writing what it prints to `output`; `signal` is what it gets when
/// the tests are gone (`TERM` for programs with children of their own, else `KILL`).
pub fn start(program: &Path, arguments: &[&str], output: &Path, signal: &str) -> Child {
    static SPAWNER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });

    let log = File::options().create(true).append(true).open(output).unwrap();
    let mut command = Command::new(programs::setpriv());
    command.args(["--pdeathsig", signal, "--"]).arg(program).args(arguments);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let (answer, result) = channel();
    SPAWNER.lock().unwrap().send((command, answer)).unwrap();
    result.recv().unwrap().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// Sends `signal` to this one child.
pub fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let status = Command::new("/bin/kill").args(["-s", signal, &pid]).status().unwrap();
    assert!(status.success(), "kill -s {signal} {pid}");
}

/// Ends `child`: politely first, and surely after [`super::DEADLINE`].
pub fn stop(child: &mut Child) {
    if child.try_wait().unwrap().is_some() {
        return;
    }
    signal(child, "TERM");
    let end = std::time::Instant::now() + super::DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if std::time::Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
