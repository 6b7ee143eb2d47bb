//! The step-up in a browser: a form for the second factor, its answer, and polling without a script.
//!
//! Of the form only what was typed, our own challenge's id and the form's own token are read (SEMANTICS F9).

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};

use crate::authority::factor::step_up::{ChallengeToAnswer, Form, StepUp, StepUpRequest, Wish};
use crate::domain::decision::{Class, Reason};
use crate::domain::secret::Secret;
use crate::edge::Edge;
use crate::edge::http::headers;
use crate::edge::http::pages::{Page, SecondFactor};
use crate::edge::http::portal::answers::{classed, redirect, refuse, unavailable, with_cookies};
use crate::edge::http::portal::asked::Asked;
use crate::edge::http::portal::json;

/// How often a browser polls before it asks the person what to do.
const POLLS: u32 = 40;

/// Shows the form, or checks what was typed into it.
pub async fn form(edge: &Edge, asked: &Asked<'_>) -> HttpResponse {
    if !edge.authority.checks_factors() {
        return HttpResponse::NotFound().finish();
    }
    let (typed, transaction) = (asked.parameter("otp"), asked.text("transaction_id"));
    let token = asked.text("token").unwrap_or_default();
    let wish = match typed {
        Some(typed) if asked.is_post() => Wish::Check {
            secret: Secret::new(typed.into_bytes()),
            transaction: transaction.as_deref().unwrap_or_default(),
            token: &token,
        },
        _ => Wish::Form,
    };
    let is_cross_site = (asked.is_post() || asked.is_embedded()) && asked.is_cross_site(edge);
    step_up(edge, asked, wish, is_cross_site, Polling::Not).await
}

/// Asks whether a challenge was answered elsewhere.
pub async fn poll(edge: &Edge, asked: &Asked<'_>) -> HttpResponse {
    if !edge.authority.checks_factors() {
        return HttpResponse::NotFound().finish();
    }
    let transaction = asked.text("transaction_id").unwrap_or_default();
    let times = asked.text("polls").and_then(|polls| polls.parse().ok()).unwrap_or(POLLS);
    let is_cross_site = asked.is_cross_site(edge);
    step_up(edge, asked, Wish::Poll(&transaction), is_cross_site, Polling::Times(times)).await
}

/// How often this browser has polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polling {
    Not,
    Times(u32),
}

async fn step_up(
    edge: &Edge,
    asked: &Asked<'_>,
    wish: Wish<'_>,
    is_cross_site: bool,
    polling: Polling,
) -> HttpResponse {
    let return_url = asked.text("url");
    let (list, cookies) = (headers::list(asked.request()), headers::cookies(asked.request()));
    let request = StepUpRequest {
        portal: asked.portal(&list, &cookies),
        wish,
        return_url: return_url.as_deref(),
        is_cross_site,
    };
    let shown = Shown { edge, asked, return_url: return_url.as_deref(), polling };
    match edge.authority.step_up(request, edge.clock.now()).await {
        StepUp::Done { id, id_http, cookies, back } => {
            let response = if asked.wants_json {
                json::opened(id.to_hex(), id_http.map(|id| id.to_hex()))
            } else {
                redirect(back.as_ref().map_or(&*edge.portal_url, |back| back.as_str()))
            };
            with_cookies(response, cookies)
        }
        StepUp::LoginFirst(reason) if asked.wants_json => {
            classed(json::refusal(StatusCode::UNAUTHORIZED, reason), reason)
        }
        StepUp::LoginFirst(_) => login_first(edge, return_url.as_deref()),
        StepUp::Asked(form) if asked.wants_json => json::form(&form.token),
        StepUp::Asked(form) => shown.page(StatusCode::OK, None, &form, None),
        StepUp::Challenged(_, challenge) | StepUp::Pending(_, challenge) if asked.wants_json => {
            let answer = json::challenged(&challenge.transaction, &challenge.message);
            classed(answer, Reason::FactorPending)
        }
        StepUp::Challenged(form, challenge) | StepUp::Pending(form, challenge) => {
            shown.page(StatusCode::OK, Some(Reason::FactorPending), &form, Some(&challenge))
        }
        StepUp::Refused { reason, retry_after, form } => {
            wait(shown.refused(reason, form.as_ref()), retry_after)
        }
        StepUp::Unavailable(reason) => unavailable(edge, asked, reason),
    }
}

/// To the login, from where the way leads back to the page, which will ask for the factor again.
fn login_first(edge: &Edge, return_url: Option<&str>) -> HttpResponse {
    let query = return_url.map(|url| {
        form_urlencoded::Serializer::for_suffix("?".to_owned(), 1).append_pair("url", url).finish()
    });
    redirect(&format!("{}{}", edge.portal_url, query.unwrap_or_default()))
}

/// What pages are made from.
struct Shown<'a> {
    edge: &'a Edge,
    asked: &'a Asked<'a>,
    return_url: Option<&'a str>,
    polling: Polling,
}

impl Shown<'_> {
    fn refused(&self, reason: Reason, form: Option<&Form>) -> HttpResponse {
        let status = if reason.class() == Class::Throttled {
            StatusCode::TOO_MANY_REQUESTS
        } else if reason.class() == Class::BadRequest {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::FORBIDDEN
        };
        match form {
            // A person tries again; whoever was sent by another site is shown nothing to send.
            Some(form) if !self.asked.wants_json && reason != Reason::CrossSite => {
                self.page(status, Some(reason), form, None)
            }
            _ => refuse(self.edge, self.asked, status, reason),
        }
    }

    fn page(
        &self,
        status: StatusCode,
        reason: Option<Reason>,
        form: &Form,
        challenge: Option<&ChallengeToAnswer>,
    ) -> HttpResponse {
        let is_polled = challenge.is_some_and(|challenge| challenge.is_polled);
        let polls = match self.polling {
            Polling::Not => 0,
            Polling::Times(times) => times.saturating_add(1),
        };
        let page = Page::SecondFactor(SecondFactor {
            user: &form.user,
            token: &form.token,
            return_url: self.return_url,
            transaction: challenge.map_or("", |challenge| &challenge.transaction),
            message: challenge.map_or("", |challenge| &challenge.message),
            next_poll: (is_polled && polls < POLLS).then_some(polls),
            is_poll: self.polling != Polling::Not,
            refusal: reason.map(Reason::class).filter(|class| *class != Class::FactorPending),
        });
        // Browsers hold the redirect after the form against the page's policy.
        let back = self.return_url.and_then(|url| self.edge.authority.way_back(url).ok());
        let target = back.map(|back| back.origin());
        let response = self.asked.page(self.edge, status, &page, target.as_deref().as_slice());
        match reason {
            Some(reason) => classed(response, reason),
            None => response,
        }
    }
}

/// Says when another try may be worth it, to the second.
fn wait(mut response: HttpResponse, pause: Option<Duration>) -> HttpResponse {
    if let Some(pause) = pause {
        let seconds = HeaderValue::from(pause.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}
