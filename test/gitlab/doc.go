// Package gitlab tells what people live through when releases are made on GitLab: each test is one
// story, from the comment that asks for a release to what is left of it everywhere.
//
// The programs are the real ones, slipway and slipway-signer, as processes of their own; git, its
// server and the mail are real too. GitLab alone is played, by one that keeps state and refuses what
// GitLab refuses. Whatever the tests say, they say as people do: by comments, by emoji, in the console.
package gitlab
