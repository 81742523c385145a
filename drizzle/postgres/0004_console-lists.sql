CREATE INDEX "audit_log_by_target" ON "audit_log" USING btree ("target","id");--> statement-breakpoint
CREATE INDEX "dead_letters_by_endpoint" ON "dead_letters" USING btree ("endpoint_id","id");--> statement-breakpoint
CREATE INDEX "dead_letters_groups" ON "dead_letters" USING btree ("fingerprint","endpoint_id","tenant_id","reason","id","died_at") WHERE replayed_at is null;