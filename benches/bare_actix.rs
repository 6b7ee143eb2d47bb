//! The least that actix-web can do for a subrequest: a handler that looks at nothing and answers the
//! same head as `/auth/nginx`. What `benches/run` compares the daemon with.
//!
//! `bare_actix ADDRESS NAME=VALUE...` answers 200 with these headers.
#![expect(clippy::print_stdout, reason = "says that it is ready")]

use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context as _;

/// What every answer carries, parsed once.
type Head = Vec<(HeaderName, HeaderValue)>;

async fn answer(head: web::Data<Head>, _request: HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::new(actix_web::http::StatusCode::OK);
    for (name, value) in head.iter() {
        response.headers_mut().append(name.clone(), value.clone());
    }
    response
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("the address to listen on is missing")?;
    let head: Head = arguments
        .map(|argument| {
            let (name, value) = argument.split_once('=').context("write NAME=VALUE")?;
            Ok((name.parse()?, value.parse()?))
        })
        .collect::<anyhow::Result<_>>()?;
    let head = web::Data::new(head);
    // The same server settings as the daemon's, so that only the handler differs.
    let server = HttpServer::new(move || {
        App::new().app_data(head.clone()).service(web::resource("/auth/nginx").to(answer))
    })
    .keep_alive(Duration::from_secs(75))
    .client_request_timeout(Duration::from_secs(5))
    .bind(&address)?;
    for bound in server.addrs() {
        println!("bare_actix listens on http://{bound}");
    }
    Ok(server.run().await?)
}
