//! Sockets to listen on: TCP addresses, and unix sockets with their files.
//!
//! Must not know: what is spoken over them.

use std::fmt;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::UnixSocket;

use crate::config::{ListenAddress, ListenerSettings};

/// The daemon's user and group may open its sockets, nobody else: give the proxy that group.
const SOCKET_MODE: u32 = 0o660;
/// Connections that wait to be accepted; the kernel has a bound of its own (`net.core.somaxconn`).
const BACKLOG: u32 = 1024;

/// A TLS handshake that takes longer is given up.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(3);

/// How connections of a listener are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    Plain,
    /// By TLS.
    Tls,
    /// By TLS that demands a certificate of clients.
    MutualTls,
}

/// Where a listener is reached; with port 0 configured, the port that it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub address: ListenAddress,
    /// How its connections are protected.
    pub protection: Protection,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, self.protection) {
            (ListenAddress::Tcp(address), Protection::Plain) => write!(f, "http://{address}"),
            (ListenAddress::Tcp(address), Protection::Tls | Protection::MutualTls) => {
                write!(f, "https://{address}")
            }
            (ListenAddress::Unix(_), _) => self.address.fmt(f),
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub enum Socket {
    /// At a TCP address.
    Tcp(TcpListener),
    /// At a path; the file goes when its guard is dropped.
    Unix(UnixListener, SocketFile),
}

/// Listens where `settings` say. Must run inside a tokio runtime.
///
/// # Errors
/// Somebody is there already, or nobody may be there; the message says which and what to do.
pub fn bind(settings: &ListenerSettings) -> anyhow::Result<(Socket, Place)> {
    let protection = match &settings.tls {
        None => Protection::Plain,
        Some(tls) if tls.pem.client_ca.is_none() => Protection::Tls,
        Some(_) => Protection::MutualTls,
    };
    match &settings.address {
        ListenAddress::Tcp(address) => {
            let busy = || format!("cannot listen on {address}; is another daemon running there?");
            let listener = TcpListener::bind(address).with_context(busy)?;
            let address = ListenAddress::Tcp(listener.local_addr().with_context(busy)?);
            Ok((Socket::Tcp(listener), Place { address, protection }))
        }
        ListenAddress::Unix(path) => {
            let (listener, file) = bind_path(path)
                .with_context(|| format!("cannot listen on unix:{}", path.display()))?;
            let address = settings.address.clone();
            Ok((Socket::Unix(listener, file), Place { address, protection }))
        }
    }
}

/// The socket is made beside its place and moved there when it is ready: so nobody can connect before its
/// mode is set, and what a dead daemon has left is replaced in one step.
fn bind_path(path: &Path) -> anyhow::Result<(UnixListener, SocketFile)> {
    expect_nobody(path)?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    if expect_nobody(&aside)? == Left::Socket {
        std::fs::remove_file(&aside).context("a socket of a dead daemon cannot be removed")?;
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(&aside).context("does its folder exist, and may the daemon's user write there?")?;
    let listening = || {
        std::fs::set_permissions(&aside, Permissions::from_mode(SOCKET_MODE))?;
        let listener = socket.listen(BACKLOG)?.into_std()?;
        std::fs::rename(&aside, path)?;
        std::io::Result::Ok((listener, SocketFile::at(path)?))
    };
    let listening = listening();
    if listening.is_err() {
        // The error to tell is the first one.
        let _ = std::fs::remove_file(&aside);
    }
    Ok(listening?)
}

/// What stands at a path where nobody listens.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// The socket of somebody who is gone.
    Socket,
}

/// Makes sure that nothing is lost if a socket is put at `path`.
fn expect_nobody(path: &Path) -> anyhow::Result<Left> {
    let shown = path.display();
    // Not through a symbolic link: it would be the link that is replaced.
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Left::Nothing),
        Err(error) => return Err(error).with_context(|| format!("what is {shown}?")),
    };
    if !found.file_type().is_socket() {
        bail!("{shown} is there and is no socket; remove it, or listen somewhere else");
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("somebody answers there; is another daemon running?"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Left::Socket),
        Err(error) => Err(error).with_context(|| format!("cannot tell whether {shown} is in use")),
    }
}

/// The file of a unix socket. Dropping it removes the file, unless another daemon has put its own there.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a socket's file cannot be removed");
        }
    }
}

/// What tells a file from another one at the same path.
fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    path.symlink_metadata().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path) -> ListenerSettings {
        ListenerSettings { address: ListenAddress::Unix(path.to_owned()), tls: None }
    }

    #[tokio::test]
    async fn a_socket_is_for_the_group_and_goes_with_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let (socket, place) = bind(&at(&path)).unwrap();
        assert_eq!(place.to_string(), format!("unix:{}", path.display()));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
        assert!(UnixStream::connect(&path).is_ok());
        drop(socket);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_dead_daemon_left_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        for left in [path.clone(), folder.path().join("s.sock.new")] {
            drop(UnixListener::bind(left).unwrap());
        }
        let (socket, _) = bind(&at(&path)).unwrap();
        let refused = bind(&at(&path)).unwrap_err();
        assert!(format!("{refused:#}").contains("is another daemon running?"), "{refused:#}");
        // It has not taken the place away from the living one.
        assert!(UnixStream::connect(&path).is_ok());
        drop(socket);
    }

    #[tokio::test]
    async fn what_is_no_socket_stays_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        std::fs::write(&path, "precious").unwrap();
        let refused = bind(&at(&path)).unwrap_err();
        assert!(format!("{refused:#}").contains("is no socket; remove it"), "{refused:#}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        let refused = bind(&at(&folder.path().join("absent/s.sock"))).unwrap_err();
        assert!(format!("{refused:#}").contains("does its folder exist"), "{refused:#}");
    }

    #[tokio::test]
    async fn a_guard_leaves_the_socket_of_a_successor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let (Socket::Unix(listener, file), _) = bind(&at(&path)).unwrap() else { panic!() };
        // Stopped listening, and still busy with what it had begun.
        drop(listener);
        let (successor, _) = bind(&at(&path)).unwrap();
        drop(file);
        assert!(UnixStream::connect(&path).is_ok());
        drop(successor);
    }
}
