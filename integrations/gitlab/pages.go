package gitlab

import (
	"context"
	"fmt"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/errs"
)

// perPage is GitLab's bound for a page ("Pagination" in its REST API docs).
const perPage = 100

// Each gives the elements of a list one by one, page after page, until use says that it has seen
// enough or limit of them have been given. More than limit is an error of kind [errs.Invalid].
func Each[T any](ctx context.Context, op string, limit int, list func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]T, *gogitlab.Response, error), use func(T) (more bool)) error {
	seen := 0
	for page := 1; ; {
		got, resp, err := list(gogitlab.ListOptions{Page: page, PerPage: perPage}, gogitlab.WithContext(ctx))
		if err != nil {
			return Err(op, resp, err, false)
		}
		for _, e := range got {
			if seen++; seen > limit {
				return errs.E(op, errs.Invalid, fmt.Errorf("GitLab lists more than %d of them", limit)).Hint("there are too many to go through; narrow it down by hand")
			}
			if !use(e) {
				return nil
			}
		}
		if resp.NextPage <= page || len(got) == 0 {
			return nil
		}
		page = resp.NextPage
	}
}

// All is a whole list of at most limit elements; a longer one is an error of kind [errs.Invalid].
func All[T any](ctx context.Context, op string, limit int, list func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]T, *gogitlab.Response, error)) ([]T, error) {
	var all []T
	err := Each(ctx, op, limit, list, func(e T) bool {
		all = append(all, e)
		return true
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
