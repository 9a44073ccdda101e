"""The API: put together from the slices, with the manners that every address shares."""
