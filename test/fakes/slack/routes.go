package slack

import "slices"

// method is one method of the Web API. scopes are those of which a token needs one; methods of
// conversations ask for more, by the kind of the conversation. Handlers run with s.mu held.
type method struct {
	name   string
	scopes []string
	tier   tier
	handle func(*call) answer
}

// table is everything that the Web API can do here.
func (s *Server) table() map[string]method {
	out := map[string]method{}
	for _, m := range slices.Concat(s.peopleMethods(), s.channelMethods(), s.historyMethods(), s.chatMethods(), s.reactionMethods(),
		s.viewMethods(), s.fileMethods(), s.socketMethods()) {
		out[m.name] = m
	}
	return out
}
