//! A notice by mail: one connection, one message.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{MAIL_WAIT, NotSent, Notifier, SMTP_WAIT, causes};
use crate::model::{Digest, Secret};
use crate::notice::{self, Answer, Notice};
use crate::pipeline::{MailTarget, MailTls};

impl Notifier {
    pub(super) async fn mail(&self, target: &MailTarget, notice: &Notice) -> Result<(), NotSent> {
        let to = format!("mail server {}:{}", target.host, target.port);
        let not_sent = |answer, why: String| NotSent { to: to.clone(), answer, why };
        let message = message(target, notice).map_err(|why| not_sent(Answer::none(), why))?;
        let password = match &target.login {
            Some(login) => Some(self.secret(&login.password).await.map_err(|why| not_sent(Answer::none(), format!("its password: {why}")))?),
            None => None,
        };
        let transport = transport(target, password.as_ref()).map_err(|why| not_sent(Answer::none(), why))?;
        match tokio::time::timeout(MAIL_WAIT, transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let answer = error.status().map_or_else(Answer::none, |code| Answer::of_smtp(u16::from(code)));
                Err(not_sent(answer, without_password(causes(&error), target, password.as_ref())))
            }
            Err(_) => Err(not_sent(Answer::none(), format!("did not take the mail within {} s", MAIL_WAIT.as_secs()))),
        }
    }
}

fn message(target: &MailTarget, notice: &Notice) -> Result<Message, String> {
    let text = notice::mail(notice);
    let from = mailbox(&target.from)?;
    // The same at every attempt: of a mail that was taken and not answered for, the second one is shown as the same.
    let id = format!("<{}@{}>", Digest::of(notice.id().as_bytes()).short(), from.email.domain());
    let mut builder: MessageBuilder = Message::builder().from(from).subject(text.subject).date(SystemTime::from(notice.at)).message_id(Some(id));
    for to in &target.to {
        builder = builder.to(mailbox(to)?);
    }
    // Nobody's "I am away" comes back. Source: RFC 3834.
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let builder = builder.raw_header(automatic).header(ContentType::TEXT_PLAIN);
    builder.body(text.body).map_err(|error| format!("no mail can be made of it: {}", causes(&error)))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("`{}` is no address: {error}", text.escape_debug()))
}

fn transport(target: &MailTarget, password: Option<&Secret>) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let parameters = || TlsParameters::new(target.host.clone()).map_err(|error| format!("no TLS with that server: {}", causes(&error)));
    let tls = match target.tls {
        MailTls::Starttls => Tls::Required(parameters()?),
        MailTls::Implicit => Tls::Wrapper(parameters()?),
        MailTls::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&target.host).port(target.port).tls(tls).timeout(Some(SMTP_WAIT));
    // A machine's own name is often none that a mail server can look up; the sender's domain is.
    if let Ok(from) = mailbox(&target.from) {
        builder = builder.hello_name(ClientId::Domain(from.email.domain().to_owned()));
    }
    if let (Some(login), Some(password)) = (&target.login, password) {
        let text = std::str::from_utf8(password.reveal()).map_err(|_| "its password is no UTF-8".to_owned())?;
        builder = builder.credentials(Credentials::new(login.user.clone(), text.to_owned())).authentication(MECHANISMS.to_vec());
    }
    Ok(builder.build())
}

/// The ways to log in that send a password; over TLS nothing else is needed.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Some servers repeat the command that they do not understand, and with it the password, in one of the shapes that it is sent in.
fn without_password(words: String, target: &MailTarget, password: Option<&Secret>) -> String {
    let (Some(login), Some(password)) = (&target.login, password) else { return words };
    let plain = [b"\0", login.user.as_bytes(), b"\0", password.reveal()].concat();
    let shapes = [BASE64_STANDARD.encode(plain), BASE64_STANDARD.encode(password.reveal()), String::from_utf8_lossy(password.reveal()).into_owned()];
    shapes.iter().filter(|shape| !shape.is_empty()).fold(words, |words, shape| words.replace(shape, "***"))
}
