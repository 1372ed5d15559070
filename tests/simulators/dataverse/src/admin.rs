//! The admin API below `/_simulator/`: counters, switches, state.

use axum::body::Body;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::json;

use crate::server::{Server, plain};

/// Answers an admin request.
pub(crate) async fn serve(server: &Server, request: Request<Incoming>) -> Response<Body> {
    let world = &server.world;
    let path = request.uri().path().trim_start_matches("/_simulator").trim_matches('/').to_owned();
    let json = |value: serde_json::Value| plain(200, "application/json", value.to_string().into_bytes());
    match (request.method(), path.as_str()) {
        (&Method::GET, "counters") => json(json!({"requests": world.requests()})),
        (&Method::GET, "log") => json(json!(world.log())),
        (&Method::POST, "reset") => {
            world.reset_requests();
            plain(204, "application/json", Vec::new())
        }
        _ => plain(404, "text/plain", b"No such admin resource.".to_vec()),
    }
}
