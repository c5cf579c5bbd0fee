//! What is said before it serves.

use ringscope::publish::TelemetryServer;

use crate::cli::args::ServeArgs;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};

/// Says where it serves, and to whom.
pub fn tell(args: &ServeArgs, server: &TelemetryServer, open_to_all: bool) {
    let missing = match (args.page.token_file.is_none(), args.page.tls_cert.is_none()) {
        (true, true) => "unencrypted and without a password; --token-file and --tls-cert protect it, and",
        (true, false) => "without a password; --token-file protects it, and",
        (false, true) => "if it has the token, which goes unencrypted; --tls-cert protects it, and",
        (false, false) => "",
    };
    if open_to_all && !missing.is_empty() {
        let warning = format!(
            "warning: every machine that reaches this one can read the telemetry, {missing} --listen 127.0.0.1:9464 serves this \
             machine only"
        );
        terminal::say(&[styled(Style::Warn, &warning)]);
    }
    let rest = " for a browser, /metrics for Prometheus, /api for the rest; Ctrl-C ends";
    terminal::say(&[plain("serving "), styled(Style::Bold, &server.url()), plain(rest)]);
}
