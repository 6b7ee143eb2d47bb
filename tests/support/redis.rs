//! Real Redis servers on loopback ports of their own: one, a primary with replicas, one that sentinels watch, a
//! cluster. The machine's own Redis service, if there is one, is neither used nor disturbed.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::certificates::{Authority, Pair};
use super::{children, free_address, programs, temporary_folder, wait_for};

/// A server. Dropping it ends it and deletes what it has.
pub struct Redis {
    pub address: SocketAddr,
    folder: TempDir,
    options: Vec<String>,
    /// What the tests' own commands need to be let in.
    access: Vec<String>,
    child: Mutex<Child>,
}

impl Redis {
    /// One with these options (`--name`, value, ...), which nothing that it is told survives.
    pub fn start(options: &[&str]) -> Self {
        Self::at(free_address(), options, &[])
    }

    /// One that speaks TLS only and wants a certificate of the authority from clients.
    pub fn start_tls(authority: &Authority, pair: &Pair) -> Self {
        let address = free_address();
        let port = address.port().to_string();
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let (ca, cert, key) = (path(&authority.cert()), path(&pair.cert), path(&pair.key));
        let options = [
            ["--port", "0"],
            ["--tls-port", &port],
            ["--tls-ca-cert-file", &ca],
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
        ];
        let access = ["--tls", "--cacert", &ca, "--cert", &cert, "--key", &key];
        Self::at(address, options.as_flattened(), &access)
    }

    fn at(address: SocketAddr, options: &[&str], access: &[&str]) -> Self {
        let folder = temporary_folder();
        let (port, path) = (address.port().to_string(), folder.path().to_str().unwrap().to_owned());
        let own = [
            ["--port", &port],
            ["--bind", "127.0.0.1"],
            ["--dir", &path],
            ["--save", ""],
            ["--appendonly", "no"],
            ["--databases", "1000"],
            ["--repl-diskless-sync-delay", "0"],
            ["--hz", "50"],
            ["--enable-debug-command", "local"],
        ];
        let options = own.as_flattened().iter().chain(options).map(|option| (*option).to_owned());
        let options: Vec<String> = options.collect();
        let child = Mutex::new(spawn(&folder, &options));
        let access = access.iter().map(|argument| (*argument).to_owned()).collect();
        let server = Self { address, folder, options, access, child };
        server.wait();
        server
    }

    /// What the server answers to a command, as `redis-cli` prints it.
    pub fn ask(&self, command: &[&str]) -> String {
        let output = self.client().args(command).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn client(&self) -> Command {
        let mut client = Command::new(programs::debian("/usr/bin/redis-cli", "redis-tools"));
        client.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        client.arg("--no-auth-warning").args(&self.access);
        client
    }

    /// What it answers to several commands over one connection, a line each.
    fn tell(&self, commands: &str) -> String {
        use std::io::Write as _;
        let mut client =
            self.client().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        client.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
        let output = client.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Waits until the server answers.
    pub fn wait(&self) {
        wait_for("the Redis server answers", || {
            let ended = self.child().try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.log());
            (self.ask(&["PING"]) == "PONG").then_some(())
        });
    }

    /// Stops it in its tracks: connections stay, nobody answers.
    pub fn pause(&self) {
        children::signal(&self.child(), "STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        children::signal(&self.child(), "CONT");
    }

    /// Ends it as a power cut does.
    pub fn kill(&self) {
        let mut child = self.child();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it again after [`Redis::kill`], with what it had saved, and waits until it answers.
    pub fn restart(&self) {
        *self.child() = spawn(&self.folder, &self.options);
        self.wait();
    }

    /// Waits until so many replicas follow it and have all that it has.
    pub fn wait_for_replicas(&self, count: usize) {
        // Some of these names lie here in any cluster. Who has written nothing waits for nothing.
        let writes = (0..64).map(|name| format!("SET ready{name} x PX 1"));
        let commands = writes.chain([format!("WAIT {count} 100\n")]);
        let commands = commands.collect::<Vec<_>>().join("\n");
        wait_for("the replicas follow", || {
            let had = self.tell(&commands).lines().last()?.parse::<usize>().ok()?;
            // A replica that has just come again has acknowledged nothing for a second.
            (had >= count && self.ask(&["ROLE"]).lines().last() != Some("0")).then_some(())
        });
    }

    /// The end of what it printed.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
        log.lines()
            .rev()
            .take(15)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the log of Redis at {}\n{}", self.address, self.log());
        }
        let mut child = self.child();
        // A stopped process does not take a polite word, and it has nothing to save.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn spawn(folder: &TempDir, options: &[String]) -> Child {
    let server = programs::debian("/usr/bin/redis-server", "redis-server");
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    children::start(&server, &options, &folder.path().join("output"), "KILL")
}

/// A primary and a replica.
pub struct Replicated {
    pub primary: Redis,
    pub replica: Redis,
}

impl Replicated {
    pub fn start() -> Self {
        let primary = Redis::start(&[]);
        let replica = follow(&primary);
        primary.wait_for_replicas(1);
        Self { primary, replica }
    }
}

fn follow(primary: &Redis) -> Redis {
    let of = format!("127.0.0.1 {}", primary.address.port());
    Redis::start(&["--replicaof", &of])
}

/// A primary and a replica, and three sentinels that watch them.
pub struct Watched {
    pub servers: Replicated,
    pub sentinels: Vec<Redis>,
}

impl Watched {
    /// What the sentinels call the primary.
    pub const NAME: &str = "sessions";

    pub fn start() -> Self {
        let servers = Replicated::start();
        let sentinels = (0..3).map(|_| sentinel(servers.primary.address)).collect();
        let watched = Self { servers, sentinels };
        wait_for("the sentinels know each other and the replica", || {
            let knows = |sentinel: &Redis| {
                let info = sentinel.ask(&["INFO", "sentinel"]);
                info.contains("status=ok") && info.contains("slaves=1,sentinels=3")
            };
            watched.sentinels.iter().all(knows).then_some(())
        });
        watched
    }
}

fn sentinel(primary: SocketAddr) -> Redis {
    let address = free_address();
    let folder = temporary_folder();
    let (name, port) = (Watched::NAME, primary.port());
    let config = format!(
        "port {}\nbind 127.0.0.1\ndir {}\n\
         sentinel monitor {name} 127.0.0.1 {port} 2\n\
         sentinel down-after-milliseconds {name} 700\n\
         sentinel failover-timeout {name} 3000\n",
        address.port(),
        folder.path().display(),
    );
    let file = folder.path().join("sentinel.conf");
    std::fs::write(&file, config).unwrap();
    let options = vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
    let child = Mutex::new(spawn(&folder, &options));
    let sentinel = Redis { address, folder, options, access: vec![], child };
    sentinel.wait();
    sentinel
}

/// A cluster of three primaries, each with a replica: the n-th replica is the n-th primary's.
pub struct Cluster {
    pub primaries: Vec<Redis>,
    pub replicas: Vec<Redis>,
}

impl Cluster {
    pub fn start() -> Self {
        let start = || {
            // The usual one, 10,000 above the other, may be taken by somebody's outgoing connection.
            let bus = free_address().port().to_string();
            let options = [
                ["--cluster-enabled", "yes"],
                ["--cluster-port", &bus],
                ["--cluster-node-timeout", "1500"],
                ["--cluster-replica-validity-factor", "0"],
                ["--repl-ping-replica-period", "1"],
            ];
            Redis::start(options.as_flattened())
        };
        let cluster = Self {
            primaries: (0..3).map(|_| start()).collect(),
            replicas: (0..3).map(|_| start()).collect(),
        };
        let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        let [first, ..] = &*cluster.primaries else { unreachable!() };
        for (number, (primary, (from, to))) in cluster.primaries.iter().zip(slots).enumerate() {
            primary.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            primary.ask(&["CLUSTER", "ADDSLOTSRANGE", from, to]);
        }
        for server in cluster.servers() {
            let port = server.address.port().to_string();
            let bus = server.ask(&["CONFIG", "GET", "cluster-port"]);
            let bus = bus.lines().last().unwrap();
            first.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        wait_for("the cluster's servers know each other", || {
            let knows =
                |server: &Redis| server.ask(&["CLUSTER", "INFO"]).contains("cluster_known_nodes:6");
            cluster.servers().all(knows).then_some(())
        });
        for (primary, replica) in cluster.primaries.iter().zip(&cluster.replicas) {
            let id = primary.ask(&["CLUSTER", "MYID"]);
            wait_for("the replica knows its primary", || {
                (replica.ask(&["CLUSTER", "REPLICATE", &id]) == "OK").then_some(())
            });
        }
        cluster.wait();
        for primary in &cluster.primaries {
            primary.wait_for_replicas(1);
        }
        cluster
    }

    /// Waits until all servers say that all is well.
    pub fn wait(&self) {
        wait_for("the cluster is well", || {
            let is_well = |server: &Redis| {
                let info = server.ask(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_slots_assigned:16384")
            };
            self.servers().all(is_well).then_some(())
        });
    }

    pub fn servers(&self) -> impl Iterator<Item = &Redis> {
        self.primaries.iter().chain(&self.replicas)
    }
}
