//! Who it is: the cookie's session, the asserted identity's, or a new one (SEMANTICS S1, S2, S4, S5).
//!
//! Must not know: rules, exports, what the answer will be.

use smallvec::SmallVec;

use crate::authority::question::Question;
use crate::authority::{Authority, replacing};
use crate::domain::decision::{Decision, Reason, SetCookie};
use crate::domain::explanation::{Recorder, Stage};
use crate::domain::identity::{Asserted, IdentityView, Owner};
use crate::domain::request::{AuthRequest, Purpose, Scheme};
use crate::domain::time::Timestamp;
use crate::session::record::Session;
use crate::session::{Keyed, Lookup, SessionError, Sessions, Visit};

/// What the session cookie of a request is worth.
pub enum Cookie {
    /// One live session.
    Live(Keyed),
    /// No session, and why a challenge would be given.
    None(Reason),
    /// Two different live sessions.
    Conflict(SmallVec<[Keyed; 1]>),
}

/// The session that a request is decided with, and the cookies that it brings.
type Found = (Keyed, Vec<SetCookie>);

/// Whom rules ask about before any session is opened: the master's word, with what a session of the same
/// user has besides.
pub struct Somebody<'s, 'a> {
    /// The master's word on this request.
    pub asserted: Option<&'s Asserted<'a>>,
    /// The cookie's session.
    pub session: Option<&'s Session>,
    /// The highest level that counts.
    pub cap: u8,
}

impl IdentityView for Somebody<'_, '_> {
    fn owner(&self) -> Owner<'_> {
        let session = self.session.map(Session::owner);
        let nobody = Owner { master: "", realm: "", user: "" };
        self.asserted.map(Asserted::owner).or(session).unwrap_or(nobody)
    }

    fn level(&self) -> u8 {
        let same = |session: &&Session| self.asserted.is_none_or(|who| session.is_same_user(who));
        let session = self.session.filter(same).map(Session::level);
        session.or(self.asserted.map(|asserted| asserted.level)).unwrap_or_default().min(self.cap)
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        match (self.asserted, self.session) {
            (Some(asserted), _) => asserted.each_value(each),
            (None, Some(session)) => session.each_value(each),
            (None, None) => {}
        }
    }
}

impl Authority {
    /// Tries the values under the cookie's name (S5).
    pub(super) async fn cookie<R: Recorder>(
        &self,
        request: &AuthRequest<'_>,
        scheme: Scheme,
        now: Timestamp,
        recorder: &mut R,
    ) -> Result<Cookie, SessionError> {
        let visit = if R::HAPPENS { Visit::Use } else { Visit::Look };
        let presented = self.sessions.cookies().read(request.cookies, scheme);
        let mut live: SmallVec<[Keyed; 1]> = SmallVec::new();
        let mut why = if presented.any { Reason::SessionUnknown } else { Reason::LoginRequired };
        for id in &presented.ids {
            match self.sessions.find_cookie(id, presented.half, visit, now).await? {
                (key, Lookup::Live(session)) => live.push((key, session)),
                (_, Lookup::Ended) => why = Reason::SessionEnded,
                // An ended id among them stays what counts: it must get no new cookie (S4).
                (_, Lookup::Expired) if why != Reason::SessionEnded => why = Reason::SessionExpired,
                (_, Lookup::Expired | Lookup::Unknown) => {}
            }
        }
        recorder.note(Stage::Session, || match live.as_slice() {
            [] => format!("no session by cookie: {}", why.as_str()),
            [(key, session)] => {
                format!("the cookie is the session {key:?} of {}", session.user())
            }
            _ => "the cookie names different live sessions".to_owned(),
        });
        Ok(match (live.len(), live.pop()) {
            (_, None) => Cookie::None(why),
            (1, Some(keyed)) => Cookie::Live(keyed),
            (_, Some(keyed)) => {
                live.push(keyed);
                Cookie::Conflict(live)
            }
        })
    }

    /// The session that this request is decided with: the cookie's, the asserted identity's, or a
    /// new one (S1, S2, S4). What is rare is boxed, so that the usual future stays small.
    pub(super) async fn identify<R: Recorder>(
        &self,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        cookie: Cookie,
        now: Timestamp,
        recorder: &mut R,
    ) -> Result<Found, Decision> {
        let refused = |error| Self::refused(&error);
        match (cookie, &question.asserted) {
            (Cookie::Conflict(sessions), _) => {
                recorder.note(Stage::Session, || "both sessions are ended".to_owned());
                if R::HAPPENS {
                    Box::pin(self.sessions.end(&sessions, now)).await.map_err(refused)?;
                }
                Err(Decision::Challenge(Reason::ConflictingSessions))
            }
            (Cookie::Live(keyed), None) => Ok((keyed, Vec::new())),
            (Cookie::None(why), None) => Err(Decision::Challenge(why)),
            (Cookie::Live(keyed), Some(asserted)) if keyed.1.is_same_user(asserted) => {
                Ok((self.renewed(keyed, asserted, now, recorder).await?, Vec::new()))
            }
            (Cookie::Live(previous), Some(asserted)) => {
                recorder.note(Stage::Session, || {
                    format!("another user came: the session of {} is ended", previous.1.user())
                });
                Box::pin(self.switch(request, question, &previous, asserted, now, recorder)).await
            }
            // An ended id gets no new cookie: a parallel logout must not be undone (S4).
            (Cookie::None(Reason::SessionEnded), Some(asserted)) => {
                self.by_fingerprint(asserted, now, recorder).await
            }
            (Cookie::None(_), Some(asserted)) => {
                match Purpose::of(question.method, request.headers) {
                    Purpose::Navigation => Box::pin(self.open(asserted, &[], now, recorder)).await,
                    Purpose::Call => self.by_fingerprint(asserted, now, recorder).await,
                }
            }
        }
    }

    /// Another user came under a live cookie: the old session ends, whatever follows.
    async fn switch<R: Recorder>(
        &self,
        request: &AuthRequest<'_>,
        question: &Question<'_>,
        previous: &Keyed,
        asserted: &Asserted<'_>,
        now: Timestamp,
        recorder: &mut R,
    ) -> Result<Found, Decision> {
        match Purpose::of(question.method, request.headers) {
            Purpose::Navigation => {
                self.open(asserted, std::slice::from_ref(previous), now, recorder).await
            }
            Purpose::Call => {
                if R::HAPPENS {
                    let place = self.place().await?;
                    let ended = self.sessions.end(std::slice::from_ref(previous), now).await;
                    ended.map_err(|error| Self::refused(&error))?;
                    let line = self.change("switch", asserted, previous.0, now);
                    place.write(replacing(line, &previous.1));
                }
                self.by_fingerprint(asserted, now, recorder).await
            }
        }
    }

    /// Opens a cookie session on a navigation. A used-up quota costs the cookie, not the access.
    async fn open<R: Recorder>(
        &self,
        asserted: &Asserted<'_>,
        replaced: &[Keyed],
        now: Timestamp,
        recorder: &mut R,
    ) -> Result<Found, Decision> {
        recorder.note(Stage::Session, || {
            format!("a session with a cookie is opened for {}", asserted.user)
        });
        if !R::HAPPENS {
            let imagined = Sessions::imagine_opened(asserted, now);
            return imagined
                .map(|keyed| (keyed, Vec::new()))
                .map_err(|error| Self::refused(&error));
        }
        let place = self.place().await?;
        match self.sessions.open_cookie(asserted, replaced, now).await {
            Ok(opened) => {
                place.write(self.opening(asserted, opened.key, replaced, now));
                self.audit_displaced(&opened.displaced, now).await?;
                Ok(((opened.key, opened.session), opened.cookies))
            }
            Err(SessionError::Throttled(_)) => self.by_fingerprint(asserted, now, recorder).await,
            Err(error) => Err(Self::refused(&error)),
        }
    }

    async fn by_fingerprint<R: Recorder>(
        &self,
        asserted: &Asserted<'_>,
        now: Timestamp,
        recorder: &mut R,
    ) -> Result<Found, Decision> {
        let refused = |error| Self::refused(&error);
        let keyed = if R::HAPPENS {
            self.sessions.by_fingerprint(asserted, now).await.map_err(refused)?
        } else {
            let look = Box::pin(self.sessions.look_by_fingerprint(asserted, now));
            let (keyed, is_there) = look.await.map_err(refused)?;
            recorder.note(Stage::Session, || {
                let what = if is_there { "is found" } else { "is opened" };
                format!("a session without a cookie {what} for {}", asserted.user)
            });
            keyed
        };
        Ok((self.renewed(keyed, asserted, now, recorder).await?, Vec::new()))
    }

    /// The same session with the attributes that the master sends now (S1).
    pub(super) async fn renewed<R: Recorder>(
        &self,
        keyed: Keyed,
        asserted: &Asserted<'_>,
        now: Timestamp,
        recorder: &mut R,
    ) -> Result<Keyed, Decision> {
        if keyed.1.has_attributes_of(asserted) {
            return Ok(keyed);
        }
        recorder.note(Stage::Session, || "its variables are renewed".to_owned());
        if !R::HAPPENS {
            let imagined = Sessions::imagine_refreshed(&keyed.1, asserted, now);
            return imagined
                .map(|session| (keyed.0, session))
                .map_err(|error| Self::refused(&error));
        }
        match Box::pin(self.sessions.refresh(&keyed, asserted, now)).await {
            Ok(Lookup::Live(session)) => Ok((keyed.0, session)),
            Ok(Lookup::Ended) => Err(Decision::Challenge(Reason::SessionEnded)),
            Ok(Lookup::Expired) => Err(Decision::Challenge(Reason::SessionExpired)),
            Ok(Lookup::Unknown) => Err(Decision::Challenge(Reason::SessionUnknown)),
            Err(error) => Err(Self::refused(&error)),
        }
    }
}
