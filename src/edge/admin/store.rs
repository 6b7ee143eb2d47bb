//! `/api/v1/store`: what the session store is, its compaction, and a copy of it.
//!
//! Must not know: engines. A backup goes to whoever asks; nobody names a file of ours.

use std::fmt::Debug;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read as _};
use std::pin::Pin;

use actix_web::body::SizedStream;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use futures_util::stream::try_unfold;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::edge::admin::{Admin, json, problem};

/// Bytes of a backup that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// What takes its time.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageProblem>> + Send + 'a>>;

/// What a store tells of itself and does besides keeping records. Whoever wires the daemon has it.
pub trait Storage: Debug + Send + Sync {
    /// What it is now.
    fn state(&self) -> Waiting<'_, StoreState>;

    /// Begins to copy what lives into a smaller file. False if that is being done already.
    fn compact(&self) -> Waiting<'_, bool>;

    /// A copy of it as a file that nobody else can find.
    fn backup(&self) -> Waiting<'_, File>;

    /// Brings metrics up to date.
    fn gauge(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StorageProblem {
    /// Stores of this kind do not: there is nothing to be done.
    #[error("{0}")]
    NotThisKind(&'static str),
    /// It could not: try again later.
    #[error("{0}")]
    Failed(String),
}

/// What the session store is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StoreState {
    /// `memory`, `embedded` or `redis`.
    pub kind: String,
    /// How many records there are: sessions, tombstones, challenges; expired ones that were not freed yet included.
    pub records: u64,
    /// Whether records are encrypted.
    pub encrypted: bool,
    /// Reads since the daemon's start that found a record which no key opens, or which is not encrypted although it
    /// should be.
    #[serde(default)]
    pub records_unopened: u64,
    /// Its file, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<StoreFileState>,
    /// How this node hears of changes by others, if there are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelState>,
}

/// An embedded store's file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StoreFileState {
    /// Where it is.
    pub path: String,
    /// Its bytes on disk.
    pub bytes: u64,
    /// Whether every record has its checksum; not for a while after an older version has written to the file.
    pub checked: bool,
    /// Damaged records that lie aside in it.
    pub records_aside: u64,
    /// Records that were found damaged since the daemon's start.
    pub records_damaged: u64,
    /// Damaged files that were moved aside since the daemon's start.
    pub files_aside: u64,
    /// How often it was opened again after a failure since the daemon's start.
    pub reopened: u64,
    /// The last compaction.
    pub compaction: CompactionState,
}

/// A compaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CompactionState {
    /// None since the daemon's start.
    Never,
    /// It goes on.
    Running {
        /// Records copied.
        done: u64,
        /// About how many there are.
        total: u64,
    },
    /// It has ended.
    Done {
        /// Bytes of the file before.
        before: u64,
        /// Bytes after.
        after: u64,
    },
    /// It has failed, and changed nothing.
    Failed {
        /// Why.
        error: String,
    },
}

/// The channel through which this node hears of changes by others.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ChannelState {
    /// Whether all changes arrive.
    pub confirmed: bool,
    /// Until when all of them are known to have arrived, in seconds since 1970.
    pub heard: u64,
}

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/store").route(web::get().to(state)))
        .service(web::resource("/v1/store/compact").route(web::post().to(compact)))
        .service(web::resource("/v1/store/backup").route(web::get().to(backup)));
}

async fn state(admin: web::Data<Admin>) -> HttpResponse {
    match admin.storage.state().await {
        Ok(state) => json(&state),
        Err(error) => refused(&error),
    }
}

async fn compact(admin: web::Data<Admin>) -> HttpResponse {
    match admin.storage.compact().await {
        Ok(true) => json(&serde_json::json!({})),
        Ok(false) => {
            problem(StatusCode::CONFLICT, "it is being compacted already; see /api/v1/store")
        }
        Err(error) => refused(&error),
    }
}

async fn backup(admin: web::Data<Admin>) -> HttpResponse {
    let file = match admin.storage.backup().await {
        Ok(file) => file,
        Err(error) => return refused(&error),
    };
    let Ok(bytes) = file.metadata().map(|metadata| metadata.len()) else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the copy cannot be read; try again");
    };
    let chunks = try_unfold(file, |file| async {
        let (file, chunk) =
            web::block(move || read_chunk(file)).await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!chunk.is_empty()).then_some((chunk, file)))
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(SizedStream::new(bytes, Box::pin(chunks)))
}

fn read_chunk(mut file: File) -> io::Result<(File, web::Bytes)> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok((file, chunk.into()))
}

fn refused(error: &StorageProblem) -> HttpResponse {
    let status = match error {
        StorageProblem::NotThisKind(_) => StatusCode::CONFLICT,
        StorageProblem::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, &error.to_string())
}
