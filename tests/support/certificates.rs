//! Certificates, made by `openssl` when a test starts: nothing of it lies in the repository or expires there.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{programs, temporary_folder};

/// A certificate and its key, both PEM files.
#[derive(Debug, Clone)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Somebody who issues certificates. Its files go with it.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self { folder: temporary_folder() };
        // The distribution's own configuration would make an authority of every certificate.
        let config = "[req]\ndistinguished_name = dn\n[dn]\n";
        std::fs::write(authority.path("openssl.cnf"), config).unwrap();
        let extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign"];
        authority.make("authority", &[], &extensions);
        authority
    }

    /// Its own certificate.
    pub fn cert(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// A certificate for the portal's name and for the loopback address, for servers and clients.
    pub fn issue(&self, name: &str) -> Pair {
        let by = ["-CA", "authority.pem", "-CAkey", "authority.key"];
        let names = "subjectAltName=DNS:auth.example.com,IP:127.0.0.1";
        self.make(name, &by, &["basicConstraints=CA:FALSE", names])
    }

    /// A file beside its own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make(&self, name: &str, by: &[&str], extensions: &[&str]) -> Pair {
        let (cert, key, subject) =
            (format!("{name}.pem"), format!("{name}.key"), format!("/CN={name}"));
        let mut arguments = vec!["-config", "openssl.cnf", "-subj", &subject];
        arguments.extend(by);
        arguments.extend(extensions.iter().flat_map(|extension| ["-addext", extension]));
        arguments.extend(["-keyout", &key, "-out", &cert]);
        request(self.folder.path(), &arguments);
        Pair { cert: self.path(&cert), key: self.path(&key) }
    }
}

/// A new key and its certificate, made in `folder` as the further `arguments` of `openssl req` say.
pub fn request(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(programs::debian("/usr/bin/openssl", "openssl"));
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    command.args(["-noenc", "-days", "2"]).args(arguments);
    let made = command.current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
