// Package login is the door of the web console and its API: it proves who sends a request and
// turns away what no page of ours would send.
//
// [Door] is built once. Its [Door.Guard] stands before every handler: it checks the Host header,
// refuses requests that another site's page caused, bounds what is read and how often, sets the
// headers that keep a browser from running or framing what is not ours, and puts the [Viewer]
// into the request's context. A handler needs [From] and nothing else.
//
// There are four ways in: a one-time code, which a person gets over the unix socket, where the
// kernel says who asks; an OpenID Connect provider; a token in the header Authorization, for
// programs; and, in a demo, the name of a person. What a browser or a program then holds is 256
// random bits, of which the disk knows the SHA-256 only.
//
// An account is not yet a person: who it belongs to is looked up at every request in the
// directory of the core, which alone decides what the person may do.
package login
